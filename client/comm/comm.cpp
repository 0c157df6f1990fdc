#include "client/comm/troupe_comm.h"
#include "gpu/comm/device_communicator.hpp"
#include "gpu/comm/pace.hpp"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

using troupe::Errc;
using troupe::Error;
using troupe::Result;
using troupe::comm::Communicator;
using troupe::comm::DataType;
using troupe::comm::DeviceCommunicator;
using troupe::comm::Pace;
using troupe::comm::ReduceOp;

struct troupe_comm {
  std::unique_ptr<Communicator> ranks;
};
struct troupe_comm_device {
  std::unique_ptr<DeviceCommunicator> ranks;
};

namespace {

struct LastError {
  Error error{Errc::invalid, "nothing has failed", "", ""};
  std::string name;
  troupe_comm_error shown{};
};

LastError& last_error() {
  thread_local LastError last;
  return last;
}

/// Runs `call`, which answers a Result; what failed is noted and `otherwise` answered.
template <class T, class Call>
T guarded(T otherwise, Call&& call) noexcept {
  try {
    Result<T> result = call();
    if (result) return std::move(*result);
    last_error().error = std::move(result).error();
  } catch (const std::bad_alloc&) {
    last_error().error = Error{Errc::exhausted, "out of memory", "", ""};
  } catch (const std::exception& error) {
    last_error().error =
        Error{Errc::bug, "the communicator failed", error.what(), "please report it"};
  }
  return otherwise;
}

/// A call that gives nothing but success.
template <class Call>
int done(Call&& call) noexcept {
  return guarded(-1, [&]() -> Result<int> {
    TROUPE_TRY(call());
    return 0;
  });
}

// What is no type or reduction is seen by the communicator, which lets the other ranks know.
DataType type_of(int type) {
  return static_cast<DataType>(type < 0 || type > 255 ? 255 : type);
}
ReduceOp op_of(int op) {
  return static_cast<ReduceOp>(op < 0 || op > 255 ? 255 : op);
}

Error given_up(uint32_t rank, const char* why) {
  return {Errc::failed, fmt::format("rank {} gave up", rank), why == nullptr ? "" : why, ""};
}

}  // namespace

unsigned troupe_comm_abi(void) {
  return TROUPE_COMM_ABI;
}

const troupe_comm_error* troupe_comm_last_error(void) {
  auto& last = last_error();
  last.name = to_string(last.error.code);
  last.shown = {static_cast<int>(last.error.code), last.name.c_str(), last.error.what.c_str(),
                last.error.detail.c_str(), last.error.hint.c_str()};
  return &last.shown;
}

troupe_comm* troupe_comm_open(const char* name) {
  return guarded<troupe_comm*>(nullptr, [&]() -> Result<troupe_comm*> {
    auto options = troupe::comm::options_from_environment(name == nullptr ? "" : name);
    if (!options) return std::move(options).error();
    auto ranks = Communicator::open(*options);
    if (!ranks) return std::move(ranks).error();
    return new troupe_comm{std::move(*ranks)};
  });
}

void troupe_comm_close(troupe_comm* comm) {
  delete comm;
}

uint32_t troupe_comm_rank(const troupe_comm* comm) {
  return comm->ranks->rank();
}

uint32_t troupe_comm_size(const troupe_comm* comm) {
  return comm->ranks->size();
}

uint32_t troupe_comm_hosts(const troupe_comm* comm) {
  return comm->ranks->hosts();
}

int troupe_comm_barrier(troupe_comm* comm) {
  return done([&] { return comm->ranks->barrier(); });
}

int troupe_comm_all_reduce(troupe_comm* comm, const void* in, void* out, size_t count, int type,
                           int op) {
  return done([&] { return comm->ranks->all_reduce(in, out, count, type_of(type), op_of(op)); });
}

int troupe_comm_broadcast(troupe_comm* comm, void* data, size_t count, int type, uint32_t root) {
  return done([&] { return comm->ranks->broadcast(data, count, type_of(type), root); });
}

int troupe_comm_reduce_scatter(troupe_comm* comm, const void* in, void* out, size_t count, int type,
                               int op) {
  return done(
      [&] { return comm->ranks->reduce_scatter(in, out, count, type_of(type), op_of(op)); });
}

int troupe_comm_all_gather(troupe_comm* comm, const void* in, void* out, size_t count, int type) {
  return done([&] { return comm->ranks->all_gather(in, out, count, type_of(type)); });
}

int troupe_comm_all_to_all(troupe_comm* comm, const void* in, void* out, size_t count, int type) {
  return done([&] { return comm->ranks->all_to_all(in, out, count, type_of(type)); });
}

int troupe_comm_send(troupe_comm* comm, const void* data, size_t count, int type, uint32_t to) {
  return done([&] { return comm->ranks->send(data, count, type_of(type), to); });
}

int troupe_comm_receive(troupe_comm* comm, void* data, size_t count, int type, uint32_t from) {
  return done([&] { return comm->ranks->receive(data, count, type_of(type), from); });
}

int troupe_comm_all_reduce_parts(troupe_comm* comm, const void* const* arrays, uint64_t parts,
                                 uint64_t first_part, uint64_t parts_in_all, void* out,
                                 size_t count, int type, int op) {
  return done([&] {
    return comm->ranks->all_reduce_parts({arrays, parts}, first_part, parts_in_all, out, count,
                                         type_of(type), op_of(op));
  });
}

void troupe_comm_abort(troupe_comm* comm, const char* why) {
  (void)guarded(0, [&]() -> Result<int> {
    comm->ranks->abort(given_up(comm->ranks->rank(), why));
    return 0;
  });
}

troupe_comm_device* troupe_comm_device_open(const char* name) {
  return guarded<troupe_comm_device*>(nullptr, [&]() -> Result<troupe_comm_device*> {
    auto options = troupe::comm::device_options_from_environment(name == nullptr ? "" : name);
    if (!options) return std::move(options).error();
    auto ranks = DeviceCommunicator::open(*options);
    if (!ranks) return std::move(ranks).error();
    return new troupe_comm_device{std::move(*ranks)};
  });
}

void troupe_comm_device_close(troupe_comm_device* comm) {
  delete comm;
}

uint32_t troupe_comm_device_rank(const troupe_comm_device* comm) {
  return comm->ranks->rank();
}

uint32_t troupe_comm_device_size(const troupe_comm_device* comm) {
  return comm->ranks->size();
}

int troupe_comm_device_number(const troupe_comm_device* comm) {
  return comm->ranks->device();
}

int troupe_comm_device_all_reduce(troupe_comm_device* comm, const void* in, void* out, size_t count,
                                  int type, int op, void* stream) {
  return done(
      [&] { return comm->ranks->all_reduce(in, out, count, type_of(type), op_of(op), stream); });
}

int troupe_comm_device_broadcast(troupe_comm_device* comm, void* data, size_t count, int type,
                                 uint32_t root, void* stream) {
  return done([&] { return comm->ranks->broadcast(data, count, type_of(type), root, stream); });
}

int troupe_comm_device_reduce_scatter(troupe_comm_device* comm, const void* in, void* out,
                                      size_t count, int type, int op, void* stream) {
  return done([&] {
    return comm->ranks->reduce_scatter(in, out, count, type_of(type), op_of(op), stream);
  });
}

int troupe_comm_device_all_gather(troupe_comm_device* comm, const void* in, void* out, size_t count,
                                  int type, void* stream) {
  return done([&] { return comm->ranks->all_gather(in, out, count, type_of(type), stream); });
}

int troupe_comm_device_all_to_all(troupe_comm_device* comm, const void* in, void* out, size_t count,
                                  int type, void* stream) {
  return done([&] { return comm->ranks->all_to_all(in, out, count, type_of(type), stream); });
}

int troupe_comm_device_send(troupe_comm_device* comm, const void* data, size_t count, int type,
                            uint32_t to, void* stream) {
  return done([&] { return comm->ranks->send(data, count, type_of(type), to, stream); });
}

int troupe_comm_device_receive(troupe_comm_device* comm, void* data, size_t count, int type,
                               uint32_t from, void* stream) {
  return done([&] { return comm->ranks->receive(data, count, type_of(type), from, stream); });
}

int troupe_comm_device_wait(troupe_comm_device* comm, void* stream) {
  return done([&] { return comm->ranks->wait(stream); });
}

int troupe_comm_device_barrier(troupe_comm_device* comm, void* stream) {
  return done([&] { return comm->ranks->barrier(stream); });
}

troupe_comm_device* troupe_comm_device_shrink(troupe_comm_device* comm, const uint32_t* without,
                                              size_t count) {
  return guarded<troupe_comm_device*>(nullptr, [&]() -> Result<troupe_comm_device*> {
    auto ranks = comm->ranks->shrink({without, count});
    if (!ranks) return std::move(ranks).error();
    return new troupe_comm_device{std::move(*ranks)};
  });
}

void troupe_comm_device_abort(troupe_comm_device* comm, const char* why) {
  (void)guarded(0, [&]() -> Result<int> {
    comm->ranks->abort(given_up(comm->ranks->rank(), why));
    return 0;
  });
}

void troupe_comm_waited(uint64_t nanoseconds) {
  static std::mutex mutex;
  static std::unique_ptr<Pace> pace;  // its end is the process's
  static std::chrono::nanoseconds waited{0};
  static bool opened = false;
  try {
    std::lock_guard lock{mutex};
    if (!std::exchange(opened, true)) pace = Pace::open_of_environment();
    if (pace) pace->note(waited += std::chrono::nanoseconds{nanoseconds});
  } catch (const std::exception&) {
    // Out of memory: then nobody hears of it.
  }
}
