#include "runtime/process/world_look.hpp"

#include "runtime/core/fd.hpp"

#include <gtest/gtest.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace troupe::process {
namespace {

TEST(WorldLook, SeesWhoListensAndNotWhoIsOnlyBound) {
  for (int family : {AF_INET, AF_INET6}) {
    UniqueFd fd{::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (!fd) continue;       // a machine without IPv6
    sockaddr_in6 address{};  // zeros are the wildcard of both families
    address.sin6_family = static_cast<sa_family_t>(family);
    socklen_t size = family == AF_INET ? sizeof(sockaddr_in) : sizeof address;
    auto* plain = reinterpret_cast<sockaddr*>(&address);
    ASSERT_EQ(::bind(fd.get(), plain, size), 0);
    ASSERT_EQ(::getsockname(fd.get(), plain, &size), 0);
    auto port = ntohs(address.sin6_port);  // at the same place in both
    EXPECT_FALSE(look_at_world({}, port).listens);
    ASSERT_EQ(::listen(fd.get(), 1), 0);
    EXPECT_TRUE(look_at_world({}, port).listens);
  }
}

TEST(WorldLook, OfThisProcessHasNeitherMpiNorTorch) {
  auto look = look_at_world({::getpid()}, 1);
  EXPECT_FALSE(look.mpi);
  EXPECT_FALSE(look.torch);
  EXPECT_FALSE(look.listens);
}

}  // namespace
}  // namespace troupe::process
