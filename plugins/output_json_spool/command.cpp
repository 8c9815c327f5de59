// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"

#include <fcntl.h>

#include <cerrno>
#include <memory>
#include <string>

#include "all_stores.hpp"
#include "chooser.hpp"
#include "directory.hpp"
#include "entry.hpp"
#include "export_folder.hpp"
#include "file_store.hpp"
#include "operator_log.hpp"
#include "progress.hpp"
#include "relocation.hpp"
#include "summary.hpp"
#include "terminal_text.hpp"

namespace lsmtpd::json_spool {
namespace {

constexpr std::size_t kHeaderMax = 64 * 1024;  // of a message's header that `show` prints

class Command {
 public:
  Command(Files& files, const Directory& directory, AllStores& store, const CommandLine& line,
          const sdk::Terminal& terminal)
      : files_(files),
        directory_(directory),
        line_(line),
        terminal_(terminal),
        store_(store),
        log_(files, directory.messages()),
        progress_(terminal, [this] { return Chooser::total(*source_, line_); }) {}

  int run() {
    const Interrupt interrupt;
    switch (line_.action) {
      case Action::summary:
        summary();
        break;
      case Action::move:
        move();
        break;
      case Action::import:
        import();
        break;
      case Action::export_:
        if (!line_.directory.empty()) {
          export_all();
          break;
        }
        [[fallthrough]];
      default:
        selected([this](const CopyKey& key) { return act(key); });
    }
    finish();
    return failed_ ? 1 : 0;
  }

 private:
  void selected(const Chooser::Step& step) {
    Chooser chooser(*source_, line_, files_.now_ns(),
                    [this](const std::string& text) { error(text); });
    chooser.each(step, [this] { progress_.step(); });
    gone_ = chooser.gone();
  }

  bool act(const CopyKey& key) {
    switch (line_.action) {
      case Action::rm:
        return changed(key, store_.remove(key), "removed", "cannot remove ");
      case Action::retry:
        return changed(key, store_.retry(key), "put back", "cannot put back ");
      case Action::export_:
        return export_one(key);
      default:
        return print(key);
    }
  }

  bool changed(const CopyKey& key, int error_code, const char* done, const char* trouble) {
    if (error_code == -ENOENT) return false;
    if (error_code < 0) {
      error(trouble + key.id + ": " + error_text(error_code));
    } else {
      took(done, key, {});
    }
    return true;
  }

  void took(const char* done, const CopyKey& key, const std::string& place) {
    verb_ = done;
    ++done_;
    log_.add(done, key, place);
  }

  bool print(const CopyKey& key) {
    const auto entry = store_.read(key, Store::Detail::header);
    if (!entry) return false;
    if (line_.action == Action::show && !entry->problem.empty()) failed_ = true;
    progress_.clear();
    if (line_.json) {
      terminal_.out(entry_json(*entry, line_.subject));
    } else if (line_.action == Action::ls) {
      terminal_.out(entry_line(*entry, line_.subject));
    } else {
      terminal_.out(entry_text(*entry) + "\n" + header(key) + "\n");
    }
    return true;
  }

  // The message's own header, up to kHeaderMax.
  std::string header(const CopyKey& key) {
    std::string text;
    const auto done = store_.content(key, [&](std::string_view piece) {
      text.append(piece.substr(0, kHeaderMax - text.size()));
      return text.size() < kHeaderMax && text.find("\r\n\r\n") == std::string::npos;
    });
    (void)done;  // a stop by the sink is an error there
    const std::size_t end = text.find("\r\n\r\n");
    return terminal_lines(text.substr(0, end == std::string::npos ? end : end + 2));
  }

  void summary() {
    Summary summary(files_.now_ns());
    for (const State state : kStates) {
      if (!line_.states.has(state)) summary.set_count(state, store_.count(state));
    }
    selected([&](const CopyKey& key) {
      const auto entry = store_.read(key, Store::Detail::envelope);
      if (entry) summary.add(*entry);
      return entry.has_value();
    });
    progress_.clear();
    if (!Interrupt::asked()) terminal_.out(line_.json ? summary.json() : summary.text());
  }

  bool export_one(const CopyKey& key) {
    if (!store_.has(key)) return false;
    if (line_.output.empty()) {
      const auto done = store_.content(key, [this](std::string_view piece) {
        terminal_.out(piece);
        return true;
      });
      finish_export(key, done ? "" : done.error());
    } else {  // the caller's own path: relative to the working directory
      finish_export(key, export_file(files_, store_, key, AT_FDCWD, line_.output));
    }
    return true;
  }

  void finish_export(const CopyKey& key, const std::string& problem) {
    if (problem.empty()) return log_.add("exported", key, line_.output);
    const std::string place = line_.output.empty() ? "" : " to " + line_.output;
    error("cannot export " + key.id + place + ": " + problem);
  }

  void export_all() {
    ExportFolder folder(
        files_, [this](const CopyKey& key, ExportFolder::Done done, const std::string& problem) {
          exported(key, done, problem);
        });
    if (const std::string problem = folder.open(line_.directory); !problem.empty())
      return error(problem);
    selected([&](const CopyKey& key) {
      if (!store_.has(key)) return false;
      folder.add(store_, key);
      return true;
    });
    folder.finish();
  }

  void exported(const CopyKey& key, ExportFolder::Done done, const std::string& problem) {
    if (done == ExportFolder::Done::failed) {
      error("cannot export " + key.id + ": " + problem);
    } else if (done == ExportFolder::Done::was_there) {
      ++there_;
    } else {
      took("exported", key, line_.directory);
    }
  }

  void move() {
    const auto target = Directory::open_for_storing(files_, line_.directory, directory_.messages());
    if (!target) return error(target.error());
    if (files_.leads_to(line_.directory, directory_.messages()) >= 0)
      return error(line_.directory + " is the spool itself");
    if (!line_.held && !directory_.keep_others_out()) {
      return error(
          "a daemon uses the spool, and may deliver a message that is moved: stop it, or hold its "
          "outputs (lsmtpd ctl hold) and give --held");
    }
    if (store_.journal_has(line_.states)) {
      return error(
          "move takes files only, and messages of this spool are in its journal: let them be "
          "replayed, or take them out with export --dir and rm");
    }
    relocate(directory_, *target, {}, "moved");
  }

  void import() {
    const auto source = Directory::open_for_reading(files_, line_.directory);
    if (!source) return error(source.error());
    const auto target = Directory::open_for_storing(files_, directory_.path());
    if (!target) return error(target.error());
    if (files_.leads_to(line_.directory, directory_.messages()) >= 0)
      return error(line_.directory + " is the spool itself");
    if (!source->keep_others_out())
      return error("a daemon uses " + line_.directory + ": stop it first");
    FileStore store(files_, *source);
    source_ = &store;
    relocate(*source, *target, {.check = true, .link = false, .new_time = true}, "imported");
    progress_.clear();
    source_ = &store_;
  }

  void relocate(const Directory& from, const Directory& to, Relocation::Settings settings,
                const char* done) {
    Relocation relocation(files_, from, to, settings,
                          [&](const CopyKey& key, const std::string& problem) {
                            if (problem.empty()) return took(done, key, line_.directory);
                            error(key.id + " stays where it is: " + problem);
                          });
    selected([&](const CopyKey& key) {
      relocation.add(key);
      return true;
    });
    relocation.finish();
  }

  void finish() {
    progress_.clear();
    log_.flush();
    if (!log_.problem().empty())
      terminal_.error("lsmtpd spool: " + terminal_text(log_.problem()) + "\n");
    if (Interrupt::asked()) error("interrupted; the same command goes on where this one ended");
    const bool many = line_.selects() || line_.ids_from_input;
    if (!many || (done_ + there_ + gone_ == 0 && verb_.empty())) return;
    std::string text = std::to_string(done_) + " " + (verb_.empty() ? "done" : verb_);
    if (there_ > 0) text += ", " + std::to_string(there_) + " were there already";
    if (gone_ > 0) text += ", " + std::to_string(gone_) + " not found";
    terminal_.error("lsmtpd spool: " + text + "\n");
  }

  void error(const std::string& text) {
    failed_ = true;
    progress_.clear();
    terminal_.error("lsmtpd spool: " + terminal_text(text) + "\n");
  }

  Files& files_;
  const Directory& directory_;
  const CommandLine& line_;
  const sdk::Terminal& terminal_;
  AllStores& store_;
  Store* source_ = &store_;  // of what is chosen
  OperatorLog log_;
  Progress progress_;
  std::string verb_;  // what was done
  std::uint64_t done_ = 0, there_ = 0, gone_ = 0;
  bool failed_ = false;
};

}  // namespace

int run_command(const Settings& settings, const std::vector<std::string_view>& arguments,
                const sdk::Terminal& terminal) {
  if (!arguments.empty() && (arguments[0] == "--help" || arguments[0] == "-h")) {
    terminal.out(kCommandUsage);
    return 0;
  }
  const auto line = parse_command_line(arguments);
  if (!line) {
    terminal.error("lsmtpd spool: " + terminal_text(line.error()) + "\n" + kCommandUsage);
    return 2;
  }
  const std::unique_ptr<Files> files = make_files();
  const auto directory = Directory::open_for_reading(*files, settings.directory);
  if (!directory) {
    terminal.error("lsmtpd spool: " + terminal_text(directory.error()) + "\n");
    return 1;
  }
  const auto store =
      AllStores::open(*files, *directory, [&terminal](const char* text, JournalEvents::Fields) {
        terminal.error(std::string("lsmtpd spool: ") + text + "\n");
      });
  if (!store) {
    terminal.error("lsmtpd spool: " + terminal_text(store.error()) + "\n");
    return 1;
  }
  return Command(*files, *directory, **store, *line, terminal).run();
}

}  // namespace lsmtpd::json_spool
