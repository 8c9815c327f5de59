// SPDX-License-Identifier: Apache-2.0
#include "map_command.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <mail_names/mail_names.hpp>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "image_builder.hpp"
#include "list_text.hpp"
#include "table.hpp"

namespace lsmtpd::access {

namespace {

constexpr int kOk = 0, kFailed = 1, kUsage = 2;
constexpr int kMostMistakes = 20;

struct Line {
  std::string file, output, word;
};

std::string parse(const std::vector<std::string_view>& arguments, Line& line) {
  bool look_up = false;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view word = arguments[i];
    if (word == "-o" || word == "--output" || word == "--look-up") {
      if (++i == arguments.size()) return std::string(word) + " wants one more word";
      (word == "--look-up" ? line.word : line.output) = arguments[i];
      look_up = look_up || word == "--look-up";
    } else if (word.size() > 1 && word.front() == '-') {
      return "there is no option " + std::string(word);
    } else if (!line.file.empty()) {
      return "one FILE at a time";
    } else {
      line.file = word;
    }
  }
  if (line.file.empty()) return "FILE is missing";
  if (look_up && !line.output.empty()) return "--look-up writes no file";
  if (look_up && line.word.empty()) return "--look-up wants a word";
  if (line.output.empty()) line.output = line.file + ".map";
  return {};
}

// A folder's entry is durable only when the folder is synced too.
std::string sync_folder(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return std::strerror(errno);
  const bool synced = fsync(fd) == 0;
  const int error = errno;
  close(fd);
  return synced ? "" : std::strerror(error);
}

// Writes beside `path` and renames, so that a reader finds the old list or the new one.
std::string write_whole(const std::string& path, std::string_view bytes) {
  const std::string beside = path + "." + std::to_string(getpid()) + ".tmp";
  const int fd = open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return beside + ": " + std::strerror(errno);
  bool good = true;
  while (good && !bytes.empty()) {
    const ssize_t count = write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    good = count > 0;
    if (good) bytes.remove_prefix(static_cast<size_t>(count));
  }
  good = good && fsync(fd) == 0;
  int error = errno;
  good = close(fd) == 0 && good;
  if (good && rename(beside.c_str(), path.c_str()) == 0) return sync_folder(path);
  if (good) error = errno;
  unlink(beside.c_str());
  return path + ": " + std::strerror(error);
}

int make(const Line& line, const sdk::Terminal& terminal) {
  std::ifstream in(line.file, std::ios::binary);
  if (!in) {
    terminal.error(line.file + ": " + std::strerror(errno) + "\n");
    return kFailed;
  }
  ImageBuilder builder;
  ListText list(builder);
  int mistakes = 0;
  for (std::string text; mistakes < kMostMistakes && std::getline(in, text);) {
    const std::string mistake = list.line(text);
    if (mistake.empty()) continue;
    ++mistakes;
    terminal.error(line.file + ": " + mistake + "\n");
  }
  if (in.bad()) {
    terminal.error(line.file + ": cannot be read to its end\n");
    return kFailed;
  }
  if (mistakes != 0) {
    terminal.error(line.output + " is left as it was\n");
    return kFailed;
  }
  std::string error;
  const std::string image = builder.finish(error);
  if (error.empty()) error = write_whole(line.output, image);
  if (!error.empty()) {
    terminal.error(error + "\n");
    return kFailed;
  }
  terminal.out(line.output + ": " + std::to_string(builder.networks()) + " networks, " +
               std::to_string(builder.addresses()) + " addresses, " +
               std::to_string(builder.names()) + " names, " + std::to_string(image.size()) +
               " bytes" +
               (builder.doubles() == 0 ? std::string()
                                       : "; " + std::to_string(builder.doubles()) +
                                             " entries stand there twice, and the first counts") +
               "\n");
  return kOk;
}

std::optional<uint16_t> find(const Image& image, const std::string& word) {
  if (const auto ip = mail_names::parse_ip(word)) return image.find(*ip);
  if (word == "<>") return find_address(image, {}, {}, true);
  const mail_names::Address address = mail_names::normal_address(word);
  if (!address.domain.empty()) return find_address(image, address.local, address.domain, false);
  return find_name(image, mail_names::normal_domain(word));
}

int look_up(const Line& line, const sdk::Terminal& terminal) {
  std::string error;
  FileState state;
  const auto no_budget = [](uint64_t) { return std::make_shared<int>(0); };
  const auto table = Table::load(line.file, no_budget, state, error);
  if (!table) {
    terminal.error(line.file + ": " + error + "\n");
    return kFailed;
  }
  const auto number = find(table->image(), line.word);
  if (!number) {
    terminal.out(line.word + " is not in " + line.file + "\n");
    return kFailed;
  }
  const std::string_view value = table->image().value(*number);
  terminal.out(line.word + ": " + std::string(value.empty() ? "the verdict of the rule" : value) +
               "\n");
  return kOk;
}

}  // namespace

int run_map(const std::vector<std::string_view>& arguments, const sdk::Terminal& terminal) {
  Line line;
  const std::string wrong = parse(arguments, line);
  if (!wrong.empty()) {
    terminal.error("lsmtpd map: " + wrong + "\n");
    return kUsage;
  }
  return line.word.empty() ? make(line, terminal) : look_up(line, terminal);
}

}  // namespace lsmtpd::access
