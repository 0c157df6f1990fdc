// Who connects proves that it knows the job's secret, and so does who is connected to: both answer
// the other's random number with an HMAC. A Doorman lets in who has done so; those that dawdle or
// lie never hold up the others. One thread at a time.
#pragma once

#include "gpu/comm/socket.hpp"

#include <cstdint>
#include <optional>
#include <poll.h>
#include <string>
#include <vector>

namespace troupe::comm {

enum class Purpose : uint32_t { store = 1, memory, data, control, http };

struct Hello {
  Purpose purpose = Purpose::store;
  uint32_t from = 0;
  uint32_t to = 0;
};

/// The side that has connected.
Result<void> introduce(int fd, const std::string& secret, const Hello& hello, Moment until);

class Doorman {
 public:
  struct Visitor {
    Hello hello;
    UniqueFd fd;
  };

  /// With `http`, who begins to speak HTTP is let in as he is: nothing is read, nothing proved.
  Doorman(UniqueFd listener, std::string secret, bool http = false)
      : listener_{std::move(listener)}, secret_{std::move(secret)}, http_{http} {}

  /// The next that has proved itself.
  Result<Visitor> next(Moment until);

  /// For those who wait for other things too: what to poll for, and until when at most; and then
  /// one that has proved itself, if there is one.
  void watch(std::vector<pollfd>& entries, Moment& until) const;
  std::optional<Visitor> step();

 private:
  struct Pending {
    UniqueFd fd;
    Moment until;
    std::string came;    // of the hello, then of the proof
    std::string expect;  // the proof; empty before the hello has come
    Hello hello;
  };
  void accept_some();
  /// False when it is to be sent away; `done` when it has proved itself.
  bool advance(Pending& pending, bool& done) const;

  UniqueFd listener_;
  std::string secret_;
  bool http_;
  std::vector<Pending> pending_;
};

}  // namespace troupe::comm
