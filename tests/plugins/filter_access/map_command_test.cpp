// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <lsmtpd/testing.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace {

class MapCommand : public testing::Test {
 protected:
  MapCommand() {
    char name[] = "/tmp/lsmtpd-map-XXXXXX";
    folder_ = mkdtemp(name);
    lsmtpd_test_use(host_, &lsmtpd_entry);
  }
  ~MapCommand() override {
    EXPECT_STREQ(lsmtpd_test_finish(host_), "");
    lsmtpd_test_free(host_);
    std::filesystem::remove_all(folder_);
  }
  int run(std::vector<const char*> arguments) {
    return lsmtpd_test_command(host_, arguments.data(), static_cast<uint32_t>(arguments.size()));
  }
  std::string said() { return lsmtpd_test_terminal(host_); }
  bool says(const char* text) { return said().find(text) != std::string::npos; }
  std::string file(const char* name, const std::string& content) {
    std::ofstream(folder_ + "/" + name) << content;
    return folder_ + "/" + name;
  }
  size_t files() {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }

  std::string folder_;
  lsmtpd_test* host_ = lsmtpd_test_new();
};

TEST_F(MapCommand, MakesAListThatItFindsEntriesIn) {
  const std::string list =
      file("list", "10.0.0.0/8 reject 5.7.1 no\nexample.org\njoe@*\n10.0.0.0/8\n");
  ASSERT_EQ(run({list.c_str()}), 0) << said();
  EXPECT_TRUE(says("2 networks, 1 addresses, 1 names")) << said();
  EXPECT_TRUE(says("1 entries stand there twice")) << said();
  EXPECT_EQ(files(), 2u);  // no temporary file is left
  const std::string map = list + ".map";
  EXPECT_EQ(run({"--look-up", "10.1.2.3", map.c_str()}), 0);
  EXPECT_TRUE(says("10.1.2.3: reject 5.7.1 no\n")) << said();
  EXPECT_EQ(run({"--look-up", "ann@example.org", map.c_str()}), 0);
  EXPECT_TRUE(says("ann@example.org: the verdict of the rule\n")) << said();
  EXPECT_EQ(run({"--look-up", "joe@example.com", list.c_str()}), 0);
  EXPECT_EQ(run({"--look-up", "11.1.2.3", map.c_str()}), 1);
  EXPECT_TRUE(says("11.1.2.3 is not in")) << said();
}

TEST_F(MapCommand, LeavesTheOldListWhereTheTextIsWrong) {
  const std::string list = file("list", "example.org\n");
  ASSERT_EQ(run({list.c_str(), "-o", (folder_ + "/out").c_str()}), 0);
  file("list", "example.org\n10.0.0.1/8\nx y\n");
  EXPECT_EQ(run({list.c_str(), "-o", (folder_ + "/out").c_str()}), 1);
  EXPECT_TRUE(says("list: line 2: ")) << said();
  EXPECT_TRUE(says("list: line 3: ")) << said();
  EXPECT_TRUE(says("out is left as it was")) << said();
  EXPECT_EQ(run({"--look-up", "example.org", (folder_ + "/out").c_str()}), 0);
}

TEST_F(MapCommand, NamesWrongUsage) {
  EXPECT_EQ(run({}), 2);
  EXPECT_EQ(run({"a", "b"}), 2);
  EXPECT_EQ(run({"--frob", "a"}), 2);
  EXPECT_EQ(run({"-o"}), 2);
  EXPECT_EQ(run({"a", "-o", "b", "--look-up", "c"}), 2);
  EXPECT_TRUE(says("lsmtpd map: there is no option --frob")) << said();
  EXPECT_EQ(run({"/nonexistent/list"}), 1);
  EXPECT_EQ(run({"--look-up", "x", "/nonexistent/list"}), 1);
}

}  // namespace
