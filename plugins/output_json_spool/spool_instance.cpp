// SPDX-License-Identifier: Apache-2.0
#include "spool_instance.hpp"

#include "command.hpp"

namespace lsmtpd::json_spool {
// Everything that start() opens, each member after those that it depends on.
struct Instance::Running {
  Running(Files& files, Directory opened, const Settings& settings, const sdk::Host& host)
      : directory(std::move(opened)),
        capacity(settings),
        archive(files, directory, capacity),
        metrics(host),
        sweep(
            files, directory, capacity,
            [host, this](const Capacity::Change& change) { say(host, change); }, &metrics,
            [host](const OperatorLines::Line& line) { say_operator(host, line); }),
        committer(files, directory, capacity, host, settings.extra, settings.threads),
        keeper(sweep) {}

  static void say_operator(const sdk::Host& host, const OperatorLines::Line& line) {
    host.info("an operator changed or exported a message", {{"action", line.action},
                                                            {"id", line.id},
                                                            {"state", line.state},
                                                            {"place", line.place},
                                                            {"by", line.by},
                                                            {"at", line.time}});
  }

  void say(const sdk::Host& host, const Capacity::Change& change) const {
    if (change.ready) {
      host.info("the spool takes messages again", {{"directory", directory.path()}});
    } else {
      host.error("the spool takes no messages now",
                 {{"directory", directory.path()}, {"why", change.reason}});
    }
  }

  Directory directory;
  Capacity capacity;
  Archive archive;
  SpoolMetrics metrics;
  Sweep sweep;
  Committer committer;
  Keeper keeper;
};

const char* const Instance::command_usage = kCommandUsage;

int Instance::command(sdk::Config config, const std::vector<std::string_view>& arguments,
                      sdk::Terminal terminal) {
  return run_command(read_settings(config), arguments, terminal);
}

Instance::Instance(sdk::Host host, sdk::Config config) : Instance(host, config, make_files()) {}

Instance::Instance(sdk::Host host, sdk::Config config, std::unique_ptr<Files> files)
    : sdk::Instance(host, config), settings_(read_settings(config)), files_(std::move(files)) {}

Instance::~Instance() = default;

bool Instance::start(sdk::Report& report) {
  auto directory = Directory::open_for_daemon(*files_, settings_.directory);
  if (!directory) {
    report.error("directory", directory.error());
    return false;
  }
#ifdef LSMTPD_TEST_HOOKS
  host().warn("this build honours LSMTPD_TEST_*: not for real mail");
#endif
  running_ = std::make_unique<Running>(*files_, std::move(*directory), settings_, host());
  if (!running_->directory.unnamed_files()) {
    host().info("the file system has no O_TMPFILE: files are renamed into place",
                {{"directory", settings_.directory}});
  }
  running_->sweep.look_at_space();
  running_->committer.start();
  running_->keeper.start();
  return true;
}

void Instance::stop() {
  running_->committer.stop();
  running_->keeper.stop();
  running_.reset();
}

std::unique_ptr<Lane> Instance::open_lane(sdk::LaneHost host) {
  Running& running = *running_;
  return std::make_unique<Lane>(std::move(host), Shared{running.capacity, running.committer,
                                                        running.keeper, running.archive});
}

bool Instance::prepare(sdk::Config config, sdk::Report& report) {
  Settings next = read_settings(config);
  if (next.directory != settings_.directory) {
    report.error("directory",
                 "cannot change while lsmtpd runs: restart it, or give the new "
                 "directory an entry of its own");
  }
  if (next.threads != settings_.threads)
    report.error("commit_threads", "cannot change while lsmtpd runs: restart it");
  if (next.directory != settings_.directory || next.threads != settings_.threads) return false;
  next_ = std::move(next);
  return true;
}

void Instance::commit() {
  settings_ = std::move(*next_);
  next_.reset();
  running_->capacity.change(settings_);
  running_->committer.set_extra(settings_.extra);
}

}  // namespace lsmtpd::json_spool
