// SPDX-License-Identifier: Apache-2.0
#include "app/process.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "app/service_manager.hpp"
#include "base/unique_fd.hpp"

namespace lsmtpd::app {
namespace {

TEST(CoresTest, AreRoundedUpFromCpuMax) {
  EXPECT_EQ(cores_of_cpu_max("100000 100000\n"), 1u);
  EXPECT_EQ(cores_of_cpu_max("150000 100000\n"), 2u);
  EXPECT_EQ(cores_of_cpu_max("200000 100000\n"), 2u);
  EXPECT_EQ(cores_of_cpu_max("10000 100000\n"), 1u) << "a tenth of a core still is a worker";
  EXPECT_EQ(cores_of_cpu_max("400000 50000"), 8u);
}

TEST(CoresTest, WithoutALimitThereIsNone) {
  for (const char* text : {"max 100000\n", "", "\n", "max", "garbage", "100000", "100000 0\n"}) {
    EXPECT_EQ(cores_of_cpu_max(text), 0u) << text;
  }
}

TEST(ChildrenTest, BeginWithNoSignalBlocked) {
  give_children_a_clean_mask();
  bool clean = false;
  std::thread([&] {  // as a worker's
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      sigset_t mask;
      ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
      ::_exit(sigisemptyset(&mask) ? 0 : 1);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    clean = status == 0;
  })
      .join();
  EXPECT_TRUE(clean);
}

TEST(CoresTest, FollowTheAffinityOfTheProcess) {
  const uint32_t before = allowed_cores();
  ASSERT_GE(before, 1u);
  cpu_set_t all, one;
  ASSERT_EQ(::sched_getaffinity(0, sizeof all, &all), 0);
  CPU_ZERO(&one);
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (!CPU_ISSET(i, &all)) continue;
    CPU_SET(i, &one);
    break;
  }
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(allowed_cores(), 1u);
  ::sched_setaffinity(0, sizeof all, &all);
  EXPECT_EQ(allowed_cores(), before);
}

TEST(DescriptorLimitTest, SaysWhatToChangeWhenItIsTooLow) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may raise the limit";
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const auto status = raise_descriptor_limit(static_cast<uint32_t>(limit.rlim_max));
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("limits.connections"), std::string::npos);
  EXPECT_NE(status.error().message.find("LimitNOFILE="), std::string::npos);
}

TEST(DescriptorLimitTest, IsFineForAFewConnections) {
  EXPECT_TRUE(raise_descriptor_limit(10));
}

TEST(DescriptorLimitTest, LeavesSomeForSpilledBodies) {
  ASSERT_TRUE(raise_descriptor_limit(10));
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  EXPECT_GE(limit.rlim_cur, 10u + 1024);
  EXPECT_GE(descriptors_for_spill(10), 512u);
  EXPECT_EQ(descriptors_for_spill(10), limit.rlim_cur - 10 - 512);
  EXPECT_EQ(descriptors_for_spill(static_cast<uint32_t>(limit.rlim_cur)), 0u);
}

TEST(SurplusMemoryTest, IsReturnedToTheSystemOnceItIsLarge) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's malloc";
#endif
  SurplusMemory surplus;
  EXPECT_FALSE(surplus.give_back(0)) << "this is what there is";
  std::vector<std::unique_ptr<char[]>> pieces;
  for (int i = 0; i < 64'000; ++i) {
    pieces.push_back(std::make_unique<char[]>(1000));
    pieces.back()[0] = 'x';
  }
  const uint64_t full = resident_memory();
  EXPECT_FALSE(surplus.give_back(64'000'000)) << "it is in use";
  const std::unique_ptr<char[]> last = std::move(pieces.back());  // malloc keeps what is below it
  pieces.clear();
  EXPECT_TRUE(surplus.give_back(0));
  EXPECT_LT(resident_memory(), full - 32'000'000);
  EXPECT_FALSE(surplus.give_back(0)) << "nothing more to give";
}

TEST(PrivilegesTest, AreKeptWithoutAUserAndAnUnknownUserIsAnError) {
  EXPECT_TRUE(drop_privileges(""));
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  const auto status = drop_privileges("no-such-user-here");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "server.user = \"no-such-user-here\": there is no such user");
  EXPECT_EQ(::geteuid(), 0u);
}

TEST(ServiceManagerTest, PassedSocketsAreFoundByName) {
  EXPECT_EQ(passed_sockets("mx").error().message,
            "the service manager passed no socket named mx (FileDescriptorName= of the socket "
            "unit); it passed none");
  ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
  ::setenv("LISTEN_FDS", "2", 1);
  ::setenv("LISTEN_FDNAMES", "mx:other", 1);
  EXPECT_NE(passed_sockets("none").error().message.find("it passed mx, other"), std::string::npos);
  ::setenv("LISTEN_PID", "1", 1);
  EXPECT_FALSE(passed_sockets("mx"));
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
}

TEST(ServiceManagerTest, WatchdogTimeIsOfThisProcessOnly) {
  EXPECT_EQ(watchdog_ms(), 0u);
  ::setenv("WATCHDOG_USEC", "30000000", 1);
  EXPECT_EQ(watchdog_ms(), 30'000u);
  ::setenv("WATCHDOG_PID", "1", 1);
  EXPECT_EQ(watchdog_ms(), 0u);
  ::unsetenv("WATCHDOG_USEC");
  ::unsetenv("WATCHDOG_PID");
}

TEST(ServiceManagerTest, IsNotifiedIfItAsks) {
  const std::string path = testing::TempDir() + "notify_" + std::to_string(::getpid());
  const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path.size(), sizeof address.sun_path);
  path.copy(address.sun_path, path.size());
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  notify_service_manager("READY=1");
  ::unsetenv("NOTIFY_SOCKET");
  notify_service_manager("STOPPING=1");  // no service manager
  char text[100];
  const ssize_t size = ::recv(socket.get(), text, sizeof text, MSG_DONTWAIT);
  ASSERT_GT(size, 0);
  EXPECT_EQ(std::string(text, static_cast<size_t>(size)), "READY=1");
  EXPECT_LT(::recv(socket.get(), text, sizeof text, MSG_DONTWAIT), 0);
  ::unlink(path.c_str());
}

}  // namespace
}  // namespace lsmtpd::app
