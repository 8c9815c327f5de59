// SPDX-License-Identifier: Apache-2.0
#include "spool_instance.hpp"

#include "command.hpp"
#include "filer.hpp"
#include "journal_setup.hpp"

namespace lsmtpd::json_spool {
// Everything that start() opens, each member after those that it depends on.
struct Instance::Running {
  Running(Files& files, Directory& opened, std::unique_ptr<JournalSetup> setup,
          const Settings& settings, const sdk::Host& host)
      : directory(opened),
        journal(std::move(setup)),
        capacity(settings),
        archive(files, directory, capacity),
        filer(settings.to_journal ? nullptr
                                  : std::make_unique<Filer>(files, directory, journal->journal(),
                                                            capacity, host, settings.extra)),
        copies(files, archive, journal->archive(), filer.get()),
        metrics(host),
        sweep(
            files, directory, capacity,
            [host, this](const Capacity::Change& change) { say(host, change); }, &metrics,
            [host](const OperatorLines::Line& line) { say_operator(host, line); },
            &journal->journal()),
        keeper(sweep) {
    journal->serve(capacity, archive, keeper, filer.get());
    if (filer) sweep.each_second([this] { filer->tell_metrics(); });
  }

  void start() {
    sweep.look_at_space();
    if (filer) filer->start();
    keeper.start();
    remover.start();
  }

  void stop() {
    keeper.stop();
    remover.stop();  // the keeper gives it work
    if (filer) filer->stop();
    journal->end();
  }

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

  Directory& directory;
  const std::unique_ptr<JournalSetup> journal;
  Capacity capacity;
  Archive archive;
  const std::unique_ptr<Filer> filer;  // null: messages stay in the journal
  ReplayCopies copies;
  SpoolMetrics metrics;
  Sweep sweep;
  Keeper keeper;
  Remover remover;
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
  directory_ = std::make_unique<Directory>(std::move(*directory));
  auto journal =
      JournalSetup::open(*files_, *directory_, settings_,
                         [host = host()](const char* text, JournalEvents::Fields fields) {
                           host.error(text, fields);
                         });
  if (!journal) {
    report.error("layout", journal.error());
    return false;
  }
  running_ =
      std::make_unique<Running>(*files_, *directory_, std::move(*journal), settings_, host());
  if (!running_->directory.unnamed_files()) {
    host().info("the file system has no O_TMPFILE: files are renamed into place",
                {{"directory", settings_.directory}});
  }
  running_->start();
  return true;
}

void Instance::stop() {
  running_->stop();
  running_.reset();
  directory_.reset();
}

bool Instance::files_are_made() const {
  return !running_ || !running_->filer || running_->filer->is_idle();
}

std::unique_ptr<Lane> Instance::open_lane(sdk::LaneHost host) {
  Running& running = *running_;
  return std::make_unique<Lane>(
      std::move(host), Shared{running.capacity, running.keeper, running.remover, running.copies,
                              running.journal->target(), running.filer.get()});
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
  if (next.to_journal != settings_.to_journal)
    report.error("layout", "cannot change while lsmtpd runs: restart it");
  if (next.recycle != settings_.recycle)
    report.error("recycle", "cannot change while lsmtpd runs: restart it");
  if (next.directory != settings_.directory || next.threads != settings_.threads ||
      next.to_journal != settings_.to_journal || next.recycle != settings_.recycle)
    return false;
  next_ = std::move(next);
  return true;
}

void Instance::commit() {
  settings_ = std::move(*next_);
  next_.reset();
  running_->capacity.change(settings_);
  if (running_->filer) running_->filer->set_extra(settings_.extra);
  running_->journal->journal().set_min_free(settings_.min_free);
}

}  // namespace lsmtpd::json_spool
