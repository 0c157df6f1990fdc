// The process that each node of a gang runs before its first line, so that what they do together is
// measured, and how what it found comes to its job: through a file.
#pragma once

#include "actors/worker/worker_context.hpp"

#include <string>

namespace troupe::actors {

/// Which of the nodes a job's is, and of how many. Of several jobs on a node the first measures.
struct ReceiptPlace {
  uint32_t rank = 0, size = 0;
  bool measures = false;
};
ReceiptPlace receipt_place(const JobOrder& order);

/// Where its process writes; gone once it was read.
std::string receipt_file(const WorkerPaths& paths, uint32_t slot);
/// What the launcher is to run.
process::ProcessSpec receipt_process(const WorkerContext& context, const JobOrder& order,
                                     uint32_t slot);

/// In the process: measures with the others, and writes what came of it. It says nothing and ends
/// well, whatever that is.
int run_receipt_rank(const std::string& file);

/// What the process wrote, or why there is nothing.
ReceiptPart read_receipt(const std::string& file, const process::RunStatus& status);
/// As it is written, and back.
std::string receipt_text(const ReceiptPart& part);
Result<ReceiptPart> parse_receipt(std::string_view text);

}  // namespace troupe::actors
