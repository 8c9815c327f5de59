// SPDX-License-Identifier: Apache-2.0
// Plugins as the daemon has them, without the daemon: fixtures loaded, configured and started, with
// lanes on a loop that the test runs itself. Link lsmtpd_plugin, define FIXTURES, and build after
// the target `fixtures`.
//
//     PluginHost host;
//     plugin::Lane& lane = host.lane("bad", "bad_filter", {{"mode", "twice"}});
//     const plugin::Completion answer = host.filter(lane, host.mail());
//     EXPECT_TRUE(host.logged("call_not_open"));
//
// Everything plugins must do before they are destroyed happens in ~PluginHost, which expects them
// to comply within a deadline, unless leave_open() was called.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <fstream>
#include <initializer_list>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "log/log.hpp"
#include "plugin/instance.hpp"
#include "plugin/lane.hpp"
#include "plugin/library.hpp"
#include "plugin/pending_call.hpp"
#include "plugin/plugin_options.hpp"
#include "run_loop.hpp"

namespace lsmtpd::test {

using Settings = std::initializer_list<std::pair<const char*, std::string>>;

inline config::Option option(config::OptionValue::List list) {
  return {{std::move(list), {}}, {}};
}

// An entry as the file would give it; digits are numbers, "true" and "false" booleans.
inline config::Plugin plugin_entry(const std::string& name, const std::string& use,
                                   Settings settings) {
  config::Plugin entry;
  entry.name = name;
  entry.use = use;
  for (const auto& [key, text] : settings) {
    config::OptionValue value{text, {}};
    if (text == "true" || text == "false") value.value = text == "true";
    if (!text.empty() && text.find_first_not_of("0123456789") == std::string::npos)
      value.value = int64_t{std::stoll(text)};
    entry.options[key] = {value, {}};
  }
  return entry;
}

// The listing of a fallback.
inline std::vector<std::string> ids_of(const plugin::Completion& list) {
  std::vector<std::string> ids;
  for (const auto& copy : list.storage().copies) ids.push_back(copy.copy_id);
  return ids;
}

class PluginHost {
 public:
  explicit PluginHost(uint64_t memory = 8u << 20)
      : resources(memory, 64u << 20, testing::TempDir()),
        process{resources, "mx.example.com", "1.2.3", 1} {
    log_file_ = testing::TempDir() + "plugin_host_" + std::to_string(::getpid()) + ".log";
    ::unlink(log_file_.c_str());
    (void)log::open({log::Level::debug, false, log_file_});
  }
  ~PluginHost() {
    const bool closed = close_lanes();
    EXPECT_TRUE(closed || leave_open_) << "a lane does not close";
    lanes_.clear();
    for (auto& instance : instances_) instance->stop();
    instances_.clear();
    log::close();
    ::unlink(log_file_.c_str());
  }

  // A fixture's instance, not started; or why not.
  Result<plugin::Instance*> make_instance(config::Plugin entry) {
    entries_.push_back(std::move(entry));
    auto library = plugin::Library::load(entries_.back().use, {FIXTURES});
    if (!library) return tl::unexpected(library.error());
    std::vector<config::Diagnostic> problems;
    auto options = plugin::Options::validate(entries_.back(), (*library)->options(), problems);
    if (!problems.empty()) return fail("{}", problems[0].message);
    auto instance = plugin::Instance::create(**library, std::move(options),
                                             plugin::settings_of(entries_.back()), process);
    if (!instance) return tl::unexpected(instance.error());
    instances_.push_back(std::move(*instance));
    return instances_.back().get();
  }

  plugin::Instance& instance(config::Plugin entry) {
    auto made = make_instance(std::move(entry));
    if (!made) throw std::runtime_error(made.error().message);
    if (auto started = (*made)->start(); !started)
      throw std::runtime_error(started.error().message);
    return **made;
  }

  plugin::Lane& lane(plugin::Instance& of) {
    on_loop(loop, [&] {
      auto opened = of.open_lane(loop, 0);
      if (!opened) throw std::runtime_error(opened.error().message);
      lanes_.push_back(std::move(*opened));
    });
    return *lanes_.back();
  }
  plugin::Lane& lane(config::Plugin entry) { return lane(instance(std::move(entry))); }
  plugin::Lane& lane(const std::string& name, const std::string& use, Settings settings = {}) {
    return lane(plugin_entry(name, use, settings));
  }

  message::Message mail(const std::string& content = "Subject: x\r\n\r\nhello\r\n",
                        std::vector<std::string> to = {"b@example.org", "c@example.org"}) {
    auto envelope = std::make_shared<message::Envelope>();
    envelope->id = "11111111-2222-4333-8444-555555555555";
    envelope->reverse_path = "a@example.org";
    for (auto& address : to) envelope->recipients.push_back({std::move(address), {}});
    message::BodyWriter writer(resources);
    EXPECT_TRUE(writer.append(content));
    if (writer.wants_flush()) {
      EXPECT_TRUE(writer.flush());
    }
    message::Message message;
    message.envelope = std::move(envelope);
    message.body = writer.finish();
    return message;
  }

  bool run_until(const std::function<bool()>& condition) {
    return test::run_until(loop, condition);
  }

  // Asks on the loop and waits for the answer. `ask(done, call)` is one of Lane's functions.
  template <class Ask>
  plugin::Completion answer_of(Ask&& ask) {
    std::optional<plugin::Completion> answer;
    bool at_once = false;
    int times = 0;
    on_loop(loop, [&] {
      lsmtpd_call call = 0;
      answer = ask([&](plugin::Completion c) { answer = std::move(c), ++times; }, call);
      at_once = answer.has_value();
      EXPECT_EQ(at_once, call == 0) << "either an answer or an open call";
    });
    EXPECT_TRUE(run_until([&] { return answer.has_value(); })) << "no answer";
    turn(loop, 5);
    EXPECT_EQ(times, at_once ? 0 : 1) << "answered exactly once";
    return answer ? std::move(*answer) : plugin::Completion{};
  }
  plugin::Completion filter(plugin::Lane& to, const message::Message& message) {
    return answer_of([&](plugin::Done done, lsmtpd_call& call) {
      return to.filter(message, 10'000, std::move(done), call);
    });
  }
  plugin::Completion deliver(plugin::Lane& to, const message::Message& message,
                             const std::string& copy_id, const std::string& target = {}) {
    return answer_of([&](plugin::Done done, lsmtpd_call& call) {
      return to.deliver(message, {copy_id, target, 1000, false}, std::move(done), call);
    });
  }

  // True once every lane is closed.
  bool close_lanes() {
    size_t open = 0;
    for (auto& lane : lanes_) {
      if (closed_.insert(lane.get()).second) {
        ++open;
        on_loop(loop, [&] { lane->close([&open] { --open; }); });
      }
    }
    return test::run_until(
        loop, [&] { return open == 0; }, std::chrono::seconds(leave_open_ ? 1 : 20));
  }
  // Destroys those that are closed.
  void end_lanes() {
    on_loop(loop, [&] { lanes_.clear(); });
  }
  void leave_open() { leave_open_ = true; }

  // All that was logged so far. The log is not closed for it, which would lose what comes
  // meanwhile: lines are in the file in their order, so what came before a line of ours is there
  // with it.
  std::string log() {
    const std::string mark = "mark_" + std::to_string(++log_marks_);
    log::write(log::Level::debug, log::Event::foreign(mark), {});
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    for (;;) {  // the loop may be running: we must not
      std::ifstream file(log_file_);
      const std::string text(std::istreambuf_iterator<char>(file), {});
      if (text.find(mark) != std::string::npos) return text;
      if (std::chrono::steady_clock::now() > end) throw std::runtime_error("no log");
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  bool logged(const std::string& part) { return log().find(part) != std::string::npos; }

  message::ResourceLimits resources;
  plugin::Process process;
  io::Loop loop;

 private:
  std::string log_file_;
  uint32_t log_marks_ = 0;
  bool leave_open_ = false;
  std::deque<config::Plugin> entries_;
  std::vector<std::unique_ptr<plugin::Instance>> instances_;
  std::vector<std::unique_ptr<plugin::Lane>> lanes_;
  std::set<plugin::Lane*> closed_;
};

inline std::string content_of(const message::Message& message) {
  std::string all;
  char buffer[4096];
  for (int64_t n; (n = message.read(all.size(), buffer, sizeof buffer)) > 0;)
    all.append(buffer, static_cast<size_t>(n));
  return all;
}

}  // namespace lsmtpd::test
