// What lies on disks, over the API: asked of the keeper.
#include "actors/head/gateway_service.hpp"

#include <fmt/format.h>

namespace troupe::actors {

namespace {

// Everything is read, or walked through.
constexpr auto check_timeout = std::chrono::hours{24};
constexpr auto collect_timeout = std::chrono::hours{6};

Result<void> check_admin(const api::Caller& caller, const char* what) {
  if (caller.admin && !caller.job) return ok();
  return Error{
      Errc::refused, fmt::format("only admins may {}", what),
      caller.job ? "a job's token is good for its own experiment alone" : caller.user + " is none",
      "ask whoever runs the head"};
}

template <class Ref, class T>
Result<T> opened(Result<Ref> answer) {
  if (!answer) return std::move(answer).error();
  return std::move(**answer);
}

}  // namespace

kj::Promise<Result<api::StoreCheck>> GatewayService::check_store(const api::Caller& caller,
                                                                 api::StoreCheckRequest request) {
  // It keeps the disks busy for long.
  if (auto may = check_admin(caller, "check what is stored"); !may)
    return Result<api::StoreCheck>{may.error()};
  return bridge_
      .ask<StoreCheckRef>(peers_.keeper, check_timeout, "a check", check_atom_v,
                          CheckRequestRef{std::make_shared<const api::StoreCheckRequest>(request)})
      .then([](Result<StoreCheckRef> answer) {
        return opened<StoreCheckRef, api::StoreCheck>(std::move(answer));
      });
}

kj::Promise<Result<api::Collection>> GatewayService::collect_store(const api::Caller& caller,
                                                                   api::CollectRequest request) {
  if (auto may = check_admin(caller, "remove what nothing needs"); !may)
    return Result<api::Collection>{may.error()};
  return bridge_
      .ask<CollectionRef>(peers_.keeper, collect_timeout, "a collection", clean_atom_v,
                          CollectRequestRef{std::make_shared<const api::CollectRequest>(request)})
      .then([](Result<CollectionRef> answer) {
        return opened<CollectionRef, api::Collection>(std::move(answer));
      });
}

kj::Promise<Result<api::StoreUse>> GatewayService::store_use(const api::Caller& caller,
                                                             bool nodes) {
  if (caller.job)
    return Result<api::StoreUse>{check_admin(caller, "see what takes how much").error()};
  return bridge_.ask<StoreUseRef>(peers_.keeper, collect_timeout, "a count", usage_atom_v, nodes)
      .then([](Result<StoreUseRef> answer) {
        return opened<StoreUseRef, api::StoreUse>(std::move(answer));
      });
}

}  // namespace troupe::actors
