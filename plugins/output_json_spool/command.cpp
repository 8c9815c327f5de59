// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"

#include <fcntl.h>

#include <cerrno>
#include <functional>
#include <string>

#include "directory.hpp"
#include "entry.hpp"
#include "file_names.hpp"
#include "terminal_text.hpp"

namespace lsmtpd::json_spool {
namespace {

constexpr std::size_t kHeaderMax = 64 * 1024;  // of a message's header that `show` prints

class Command {
 public:
  Command(Files& files, const Directory& directory, const CommandLine& line,
          const sdk::Terminal& terminal)
      : files_(files), directory_(directory), line_(line), terminal_(terminal) {
    if (line.waiting) places_.push_back({"waiting", directory.messages()});
    if (line.dead) places_.push_back({"dead", directory.dead()});
    if (line.quarantine) places_.push_back({"quarantine", directory.quarantine()});
  }

  int run() {
    const auto step = [this](const Place& place, const std::string& id) { return act(place, id); };
    if (line_.all || line_.action == Action::ls) {
      for (const Place& place : places_) each(place, step);
    } else {
      for (const std::string& id : line_.ids) named(id, step);
    }
    return failed_ ? 1 : 0;
  }

 private:
  // False: there is no such message (any more).
  using Step = std::function<bool(const Place&, const std::string&)>;

  void each(const Place& place, const Step& step) {
    if (place.directory < 0) return;
    const std::unique_ptr<Listing> listing = files_.list(place.directory);
    if (!listing) return error("cannot read the directory of " + std::string(place.state));
    std::string name;
    while (listing->next(name)) {
      if (const auto id = id_of(name)) step(place, *id);
    }
  }

  void named(const std::string& id, const Step& step) {
    for (const Place& place : places_) {
      if (place.directory >= 0 && step(place, id)) return;
    }
    error("there is no message " + id);
  }

  bool act(const Place& place, const std::string& id) {
    switch (line_.action) {
      case Action::ls:
      case Action::show:
        return print(place, id);
      case Action::export_:
        return export_one(place, id);
      case Action::rm:
        return remove(place, id);
      case Action::retry:
        return retry(place, id);
    }
    return false;
  }

  bool print(const Place& place, const std::string& id) {
    const auto entry = read_entry(files_, place, id);
    if (!entry) return false;
    if (line_.action == Action::show && !entry->problem.empty()) failed_ = true;
    if (line_.json) {
      terminal_.out(entry_json(*entry));
    } else if (line_.action == Action::ls) {
      terminal_.out(entry_line(*entry));
    } else {
      terminal_.out(entry_text(*entry) + "\n" + header(place, id) + "\n");
    }
    return true;
  }

  // The message's own header, up to kHeaderMax.
  std::string header(const Place& place, const std::string& id) {
    std::string text;
    const auto done = read_content(files_, place, id, [&](std::string_view piece) {
      text.append(piece.substr(0, kHeaderMax - text.size()));
      return text.size() < kHeaderMax && text.find("\r\n\r\n") == std::string::npos;
    });
    (void)done;  // a stop by the sink is an error there
    const std::size_t end = text.find("\r\n\r\n");
    return terminal_lines(text.substr(0, end == std::string::npos ? end : end + 2));
  }

  bool export_one(const Place& place, const std::string& id) {
    FileInfo info;
    if (files_.info_in(place.directory, file_name(id).c_str(), info) < 0) return false;
    if (line_.output.empty()) {
      finish_export(id, read_content(files_, place, id, [this](std::string_view piece) {
                      terminal_.out(piece);
                      return true;
                    }));
      return true;
    }
    // The caller's own path: relative to the working directory.
    const int fd = files_.open_new(AT_FDCWD, line_.output.c_str());
    if (fd < 0) {
      error("cannot make " + line_.output + ": " + error_text(fd));
      return true;
    }
    const File file(files_, fd);
    finish_export(id, read_content(files_, place, id,
                                   [&](std::string_view piece) { return write_all(fd, piece); }));
    return true;
  }

  bool write_all(int fd, std::string_view piece) {
    while (!piece.empty()) {
      const std::int64_t count = files_.write(fd, piece.data(), piece.size());
      if (count <= 0) return false;
      piece.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }

  void finish_export(const std::string& id, const mail_json::Result<void>& done) {
    if (!done) error("cannot export " + id + ": " + done.error());
  }

  bool remove(const Place& place, const std::string& id) {
    const int error_code = files_.unlink(place.directory, file_name(id).c_str());
    if (error_code == -ENOENT) return false;
    if (error_code < 0) {
      error("cannot remove " + id + ": " + error_text(error_code));
    } else {
      files_.unlink(place.directory, reason_name(id).c_str());
    }
    return true;
  }

  bool retry(const Place& place, const std::string& id) {
    const std::string name = file_name(id);
    const int error_code =
        files_.rename_new(place.directory, name.c_str(), directory_.messages(), name.c_str());
    if (error_code == -ENOENT) return false;
    if (error_code < 0) {
      error("cannot put " + id + " back: " + error_text(error_code));
    } else {
      files_.unlink(place.directory, reason_name(id).c_str());
    }
    return true;
  }

  void error(const std::string& text) {
    failed_ = true;
    terminal_.error("lsmtpd spool: " + terminal_text(text) + "\n");
  }

  Files& files_;
  const Directory& directory_;
  const CommandLine& line_;
  const sdk::Terminal& terminal_;
  std::vector<Place> places_;
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
  return Command(*files, *directory, *line, terminal).run();
}

}  // namespace lsmtpd::json_spool
