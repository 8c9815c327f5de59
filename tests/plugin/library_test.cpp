// SPDX-License-Identifier: Apache-2.0
// Finding, loading, creating and starting plugins: errors name the fault and its reason.
#include "plugin/library.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "plugin_host.hpp"

namespace lsmtpd::plugin {
namespace {

using test::plugin_entry;
using test::PluginHost;
namespace fs = std::filesystem;

std::string why_not_loaded(const std::string& use) {
  const auto library = Library::load(use, {FIXTURES});
  return library ? "" : library.error().message;
}

void expect_has(const std::string& text, std::initializer_list<std::string> parts) {
  for (const std::string& part : parts)
    EXPECT_NE(text.find(part), std::string::npos) << "no \"" << part << "\" in: " << text;
}

TEST(LibraryTest, SaysWhatIsNoPlugin) {
  expect_has(why_not_loaded("no_entry"), {"no_entry.so", "not an lsmtpd plugin", "lsmtpd_entry"});
}

TEST(LibraryTest, NamesBothAbiVersions) {
  const std::string kOurs = fmt::format("{}.{}", LSMTPD_ABI_MAJOR, LSMTPD_ABI_MINOR);
  const std::string kNext = fmt::format("{}.{}", LSMTPD_ABI_MAJOR, LSMTPD_ABI_MINOR + 1);
  expect_has(why_not_loaded("wrong_abi"), {"wrong_abi.so", "999.3", kOurs});
  expect_has(why_not_loaded("wrong_minor"), {"wrong_minor.so", kNext, kOurs, "rebuild it"});
}

TEST(LibraryTest, SaysWhatFailedWhileItWasLoaded) {
  expect_has(why_not_loaded("fails_init"), {"fails_init.so", "init failed", "-1"});
  expect_has(why_not_loaded("throws_in_init"),
             {"throws_in_init.so", "init failed", "threw an exception: "});
  expect_has(why_not_loaded("no_factory"), {"no_factory.so", "lsmtpd.factory/1"});
}

TEST(LibraryTest, SaysWhatItsAuthorMustMend) {
  expect_has(why_not_loaded("bad_name"),
             {"bad_name.so is broken: its name is not of up to 64 letters"});
  expect_has(why_not_loaded("no_run"), {"no_run.so is broken: its command has no function"});
  expect_has(why_not_loaded("bad_options"),
             {"bad_options.so is broken: its table of options: count allows nothing: "
              "its minimum 1 is above its maximum 0"});
}

TEST(LibraryTest, NamesWhereItLookedAndTheNearestName) {
  expect_has(why_not_loaded("bad_filtre"),
             {"no plugin bad_filtre in", FIXTURES, "did you mean bad_filter?"});
  expect_has(why_not_loaded("/no/such/file.so"), {"there is no file /no/such/file.so"});
}

TEST(LibraryTest, AFileThatIsNoSharedObjectIsAnError) {
  const std::string file = testing::TempDir() + "not_a_library.so";
  std::ofstream(file) << "text";
  expect_has(why_not_loaded(file), {"cannot load", "not_a_library.so"});
  fs::remove(file);
}

TEST(LibraryTest, LoadsEachFileOnceWhateverItIsCalled) {
  const auto by_name = Library::load("bad_filter", {FIXTURES});
  const auto by_file = Library::load(FIXTURES "/bad_filter.so", {});
  const auto by_detour = Library::load(FIXTURES "/../fixtures/bad_filter.so", {});
  ASSERT_TRUE(by_name && by_file && by_detour);
  EXPECT_EQ(*by_name, *by_file);
  EXPECT_EQ(*by_name, *by_detour) << "init() comes once";
  EXPECT_TRUE((*by_name)->options());
  EXPECT_FALSE((*by_name)->command());
}

TEST(LibraryTest, ListsWhatIsInstalledTheFirstOfEachName) {
  const fs::path folder = fs::path(testing::TempDir()) / "installed_plugins";
  fs::create_directories(folder);
  std::ofstream(folder / "bad_filter.so") << "";
  std::ofstream(folder / "README.md") << "";
  const auto files = Library::installed({folder.string(), "/no/such/folder", FIXTURES});
  EXPECT_EQ(files.front(), (folder / "bad_filter.so").string());
  EXPECT_EQ(std::count_if(files.begin(), files.end(),
                          [](const auto& f) { return f.ends_with("/bad_filter.so"); }),
            1);
  EXPECT_EQ(std::count_if(files.begin(), files.end(),
                          [](const auto& f) { return f.ends_with("/test_output.so"); }),
            1);
  fs::remove_all(folder);
}

TEST(PluginPathTest, HasTheConfiguredFoldersFirstAndOnlyThoseThereAre) {
  const auto path = plugin_path({FIXTURES, "/no/such/folder"});
  ASSERT_FALSE(path.empty());
  EXPECT_EQ(path.front(), FIXTURES);
  EXPECT_EQ(std::count(path.begin(), path.end(), "/no/such/folder"), 0);
}

TEST(InstanceTest, SaysWhyItCannotBeCreated) {
  PluginHost host;
  const auto none = host.make_instance(plugin_entry("x", "fails_create", {}));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message, "plugin.x: fails_create could not be created");
  const auto thrown = host.make_instance(plugin_entry("x", "throws_in_create", {}));
  ASSERT_FALSE(thrown);
  expect_has(thrown.error().message,
             {"plugin.x: throws_in_create could not be created: it threw an exception: "});
}

TEST(InstanceTest, NamesAFunctionThatIsNull) {
  PluginHost host;
  const auto entry = [](const char* use) {
    return plugin_entry("x", "extension_filter", {{"use", use}});
  };
  const auto start = host.make_instance(entry("no_start"));
  ASSERT_FALSE(start);
  EXPECT_EQ(start.error().message,
            "plugin.x: extension_filter is broken: its instance.start is NULL");
  const auto message = host.make_instance(entry("no_message"));
  ASSERT_FALSE(message);
  expect_has(message.error().message, {"its filter.message is NULL"});
  Instance& instance = host.instance(entry("no_close"));
  test::on_loop(host.loop, [&] {
    const auto lane = instance.open_lane(host.loop, 0);
    ASSERT_FALSE(lane);
    EXPECT_EQ(lane.error().message, "plugin.x: its lane.close is NULL");
  });
}

TEST(InstanceTest, SaysWhyItCannotBeStarted) {
  PluginHost host;
  const auto why = [&](const char* use) {
    return (*host.make_instance(plugin_entry("x", use, {})))->start().error().message;
  };
  EXPECT_EQ(why("fails_start"), "plugin.x: the disk is on fire");
  EXPECT_EQ(why("fails_start_silently"), "plugin.x: start failed with -1");
  expect_has(why("throws_in_start"), {"plugin.x: could not be started: it threw an exception: "});
}

TEST(InstanceTest, SaysThatALaneCannotBeOpened) {
  PluginHost host;
  Instance& instance = host.instance(plugin_entry("x", "fails_open_lane", {}));
  test::on_loop(host.loop, [&] {
    const auto lane = instance.open_lane(host.loop, 0);
    ASSERT_FALSE(lane);
    EXPECT_EQ(lane.error().message, "plugin.x: could not open a lane");
  });
}

TEST(InstanceTest, KnowsItsExtensions) {
  PluginHost host;
  const Instance& filter = host.instance(plugin_entry("f", "bad_filter", {}));
  EXPECT_TRUE(filter.filter() && filter.admission());
  EXPECT_FALSE(filter.output() || filter.session_filter() || filter.replay() || filter.probe());
  const Instance& output = host.instance(plugin_entry("o", "replay_output", {}));
  EXPECT_TRUE(output.output() && output.replay() && output.admission());
  EXPECT_FALSE(output.filter());
  EXPECT_TRUE(host.instance(plugin_entry("s", "session_filter", {})).session_filter());
}

TEST(InstanceTest, ExceptionCaughtByTheSdkIsReported) {
  PluginHost host;
  const auto throws =
      host.make_instance(plugin_entry("x", "throwing_filter", {{"where", "validate"}}));
  ASSERT_FALSE(throws);
  expect_has(throws.error().message, {"plugin.x", "thrown on purpose"});
  Instance& instance =
      host.instance(plugin_entry("x", "throwing_filter", {{"where", "create"}}));  // of the lane
  test::on_loop(host.loop, [&] {
    const auto lane = instance.open_lane(host.loop, 0);
    ASSERT_FALSE(lane);
    EXPECT_EQ(lane.error().message, "plugin.x: could not open a lane");
  });
  EXPECT_TRUE(host.logged("thrown on purpose"));
}

}  // namespace
}  // namespace lsmtpd::plugin
