#include "client/api/service.hpp"

namespace troupe::api {

namespace {

Error no_cluster() {
  return Error{Errc::refused, "this server has no cluster", "", "ask the head of one"};
}

}  // namespace

kj::Promise<Result<void>> Service::drain_node(const Caller&, std::string, bool) {
  return Result<void>{no_cluster()};
}

kj::Promise<Result<void>> Service::label_node(const Caller&, std::string,
                                              std::map<std::string, std::string>) {
  return Result<void>{no_cluster()};
}

Result<void> Service::remove_node(const Caller&, const std::string&) {
  return no_cluster();
}

Result<std::string> Service::join_token(const Caller&, Duration) {
  return no_cluster();
}

}  // namespace troupe::api
