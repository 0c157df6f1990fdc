// Every limit with the reason for its value. Over a limit: a clear error, and nothing lost.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace troupe::limits {

// Between actors.
inline constexpr auto request_timeout =
    std::chrono::seconds{3};  // a healthy node answers in milliseconds; 3 s is a stall
inline constexpr size_t message_bytes_max =
    1u << 20;  // CAF has one queue a peer: bulk would block heartbeats
inline constexpr size_t chunk_bytes = 256u << 10;  // of files, logs and snapshots on their way
inline constexpr size_t actor_threads_max = 4;

// Of nodes. CAF notices a dead connection after 5 s; silence above it is noticed sooner.
inline constexpr auto node_suspect_after = std::chrono::seconds{3};  // of one beat a second
inline constexpr auto node_lost_after = std::chrono::seconds{10};    // its jobs start elsewhere
// The same where not even the machine's kernel acknowledges anything: nothing there is merely slow,
// and a gang is to run again 8 s after a machine of it died.
inline constexpr auto machine_lost_after = std::chrono::seconds{7};

// Of jobs that are exclusive: they end so long after the last sign of the head at the latest, and
// the head waits for that and a margin (to kill, and for clocks that run unevenly) before it starts
// the next attempt.
inline constexpr auto exclusive_lease = std::chrono::seconds{10};
inline constexpr auto exclusive_wait = exclusive_lease + std::chrono::seconds{5};

// From clients.
inline constexpr size_t http_body_max = 1u << 20;
inline constexpr size_t http_blob_body_max = 64u << 20;  // uploads of code files
inline constexpr size_t page_max = 1000;                 // rows of a list
inline constexpr size_t page_default = 50;
inline constexpr uint32_t outputs_page_max = 10'000;  // files of a list

// Of what is submitted.
inline constexpr size_t project_file_bytes_max = 1u << 20;
inline constexpr uint64_t set_members_max = 1'000'000;
// Of one set: asked for and not told yet. Each is in memory.
inline constexpr uint32_t trials_running_max = 10'000;
inline constexpr size_t parameters_max = 1000;
inline constexpr uint64_t code_bytes_max = 512ull << 20;
inline constexpr size_t code_files_max = 100'000;
inline constexpr size_t spec_bytes_max = 256u << 10;  // as JSON: it is stored with every experiment
// The kernel's MAX_ARG_STRLEN, its NUL included: one word of a command, or NAME=value.
inline constexpr size_t exec_string_bytes_max = 128u << 10;
// Of all words and variables of a process together. The kernel takes a quarter of the stack's
// limit, 2 MiB as machines come; half of that leaves room for what Troupe and sites add.
inline constexpr size_t exec_total_bytes_max = 1u << 20;
inline constexpr uint32_t workers_max = 4096;
inline constexpr uint32_t processes_max = 1024;
inline constexpr uint64_t job_processes_max = 4u << 20;  // the most a kernel of Linux has

// Of what is kept.
inline constexpr size_t attempts_kept = 20;
// Checkpoints of one experiment that its record names, and that a rule may keep.
inline constexpr uint32_t checkpoints_max = 100;
inline constexpr uint64_t job_log_bytes_max =
    64ull << 20;  // on disk for a job; the middle of more is dropped
inline constexpr size_t log_line_bytes_max = 16u << 10;  // longer lines are cut into parts
inline constexpr size_t metric_names_max = 1000;         // per experiment
inline constexpr size_t metric_line_bytes_max = 64u << 10;
inline constexpr uint64_t metric_points_max = 1'000'000;  // per experiment and name

// Of stopping.
inline constexpr auto kill_grace = std::chrono::seconds{10};  // from SIGTERM to SIGKILL
// What lives so long after SIGKILL hangs in the kernel: in a driver, a dead disk or file server.
inline constexpr auto stuck_after = std::chrono::seconds{60};

}  // namespace troupe::limits
