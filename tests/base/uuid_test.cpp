// SPDX-License-Identifier: Apache-2.0
#include "base/uuid.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "base/unique_fd.hpp"

namespace lsmtpd {
namespace {

TEST(Uuid, IsARandomVersion4InLowerCase) {
  for (int i = 0; i < 1000; ++i) {
    const std::string id = new_uuid();
    ASSERT_TRUE(is_uuid(id)) << id;
    EXPECT_EQ(id[14], '4') << id;
    EXPECT_NE(std::string_view("89ab").find(id[19]), std::string_view::npos) << id;
  }
}

TEST(Uuid, NeverRepeatsAcrossBatchesAndThreads) {
  constexpr size_t each = 5000;
  std::mutex mutex;
  std::set<std::string> seen;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      std::vector<std::string> mine;
      for (size_t i = 0; i < each; ++i) mine.push_back(new_uuid());
      const std::scoped_lock lock(mutex);
      seen.insert(mine.begin(), mine.end());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(seen.size(), 4 * each);
}

TEST(Uuid, AForkedChildDoesNotRepeatItsParents) {
  static_cast<void>(new_uuid());  // the parent's batch is fetched and mostly unused
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  const pid_t child = fork();
  if (child == 0) {
    const std::string id = new_uuid();
    _exit(write(writer.get(), id.data(), id.size()) == 36 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  std::string of_child(36, ' ');
  ASSERT_EQ(read(reader.get(), of_child.data(), of_child.size()), 36);
  EXPECT_TRUE(is_uuid(of_child));
  EXPECT_NE(of_child, new_uuid());
}

TEST(IsUuid, RefusesEverythingElse) {
  EXPECT_TRUE(is_uuid("f6f326ce-2fca-4246-96ba-aab732d44ad0"));
  EXPECT_FALSE(is_uuid(""));
  EXPECT_FALSE(is_uuid("f6f326ce-2fca-4246-96ba-aab732d44ad"));
  EXPECT_FALSE(is_uuid("f6f326ce-2fca-4246-96ba-aab732d44ad00"));
  EXPECT_FALSE(is_uuid("F6F326CE-2FCA-4246-96BA-AAB732D44AD0"));  // one id, one spelling
  EXPECT_FALSE(is_uuid("f6f326ce02fca-4246-96ba-aab732d44ad0"));
  EXPECT_FALSE(is_uuid("../326ce-2fca-4246-96ba-aab732d44ad0"));
  EXPECT_FALSE(is_uuid("f6f326ce-2fca-4246-96ba-aab732d44a-0"));
}

}  // namespace
}  // namespace lsmtpd
