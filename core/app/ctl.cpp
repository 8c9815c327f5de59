// SPDX-License-Identifier: Apache-2.0
#include "app/ctl.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "admin/json.hpp"
#include "app/exit_status.hpp"
#include "app/setup.hpp"
#include "base/text.hpp"
#include "base/unique_fd.hpp"

namespace lsmtpd::app {

namespace {

using admin::Json;

constexpr const char* kUsualSocket = "/run/lsmtpd/admin.sock";

void complain(const std::string& text) {
  std::fprintf(stderr, "lsmtpd: %s\n", text.c_str());
}

// A configuration with mistakes may still say where the daemon listens that runs with an older one.
std::string socket_of(const std::string& file, const CtlOptions& options) {
  if (!options.socket.empty()) return options.socket;
  const auto loaded = load_config(file);
  return loaded.config.admin.socket.empty() ? kUsualSocket : loaded.config.admin.socket;
}

Result<UniqueFd> connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return fail("{} is too long for a socket", path);
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail("no daemon answers at {}: {}{}", path, std::strerror(errno),
                errno == ENOENT ? " (set admin.socket, or say --socket PATH)" : "");
  }
  return fd;
}

bool send_all(int fd, std::string_view octets) {
  while (!octets.empty()) {
    const ssize_t size = ::send(fd, octets.data(), octets.size(), MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return false;
    octets.remove_prefix(static_cast<size_t>(size));
  }
  return true;
}

// Reads the answer: its head first, then what each piece of the body is for.
class AnswerReader {
 public:
  explicit AnswerReader(int fd) : fd_(fd) {}

  // The status of the answer; 0: the daemon closed the connection before it.
  int head() {
    size_t end = 0;
    while ((end = text_.find("\r\n\r\n")) == std::string::npos) {
      if (!more()) return 0;
    }
    const int status = std::atoi(text_.c_str() + std::min<size_t>(text_.size(), 9));
    text_.erase(0, end + 4);
    return status;
  }
  // False: that was all.
  bool line(std::string& line) {
    size_t end = 0;
    while ((end = text_.find('\n')) == std::string::npos) {
      if (!more()) return false;
    }
    line = text_.substr(0, end);
    text_.erase(0, end + 1);
    return true;
  }
  std::string rest() {
    while (more()) {
    }
    return std::move(text_);
  }

 private:
  bool more() {
    char buffer[8192];
    ssize_t size = 0;
    do size = ::recv(fd_, buffer, sizeof buffer, 0);
    while (size < 0 && errno == EINTR);
    if (size > 0) text_.append(buffer, static_cast<size_t>(size));
    return size > 0;
  }

  const int fd_;
  std::string text_;
};

std::string request_for(const CtlOptions& options) {
  if (options.words[0] == "status")
    return "GET /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  const Json order = admin::json_object();
  admin::put(order.get(), "command", options.words[0]);
  Json arguments = admin::json_array();
  for (size_t i = 1; i < options.words.size(); ++i)
    admin::append(arguments.get(), options.words[i]);
  const auto add = [&](const std::string& option, const std::string& value) {
    admin::append(arguments.get(), option);
    if (!value.empty()) admin::append(arguments.get(), value);
  };
  if (options.flush) add("--flush", {});
  if (!options.within.empty()) add("--within", options.within);
  if (!options.peer.empty()) add("--peer", options.peer);
  if (!options.to.empty()) add("--to", options.to);
  if (options.log) add("--log", {});
  admin::put(order.get(), "arguments", std::move(arguments));
  const std::string body = admin::printed(order);
  return fmt::format(
      "POST /ctl HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Content-Length: {}\r\nConnection: close\r\n\r\n{}",
      body.size(), body);
}

int show_status(const std::string& document, bool json) {
  const std::string text = json ? document : status_for_person(document);
  if (text.empty()) {
    complain("the daemon's answer makes no sense");
    return kExitFailed;
  }
  std::fputs(text.c_str(), stdout);
  return kExitOk;
}

// `endless`: only the reader ends it, so an end of what reads is the end.
int show_lines(AnswerReader& answer, bool endless) {
  std::string line;
  while (answer.line(line)) {
    const Json object(cJSON_Parse(line.c_str()));
    const auto member = [&](const char* key) {
      return cJSON_GetObjectItemCaseSensitive(object.get(), key);
    };
    if (const cJSON* out = member("out"); cJSON_IsString(out)) {
      std::fputs(out->valuestring, stdout);
      std::fflush(stdout);
      if (endless && std::ferror(stdout) != 0) return kExitFailed;  // finish_output() says why
    } else if (const cJSON* err = member("err"); cJSON_IsString(err)) {
      std::fputs(err->valuestring, stderr);
    } else if (const cJSON* status = member("exit"); cJSON_IsNumber(status)) {
      return status->valueint;
    }
  }
  complain("the daemon ended before the command did");
  return kExitFailed;
}

}  // namespace

int run_ctl(const std::string& file, const CtlOptions& options) {
  const auto fd = connect_to(socket_of(file, options));
  if (!fd) {
    complain(fd.error().message);
    return kExitFailed;
  }
  if (!send_all(fd->get(), request_for(options))) {
    complain("the daemon closed the connection");
    return kExitFailed;
  }
  AnswerReader answer(fd->get());
  const int status = answer.head();
  if (status != 200) {
    complain(status ? fmt::format("the daemon answers {}: {}", status, answer.rest())
                    : "the daemon closed the connection");
    return kExitFailed;
  }
  return options.words[0] == "status" ? show_status(answer.rest(), options.json)
                                      : show_lines(answer, options.words[0] == "trace");
}

}  // namespace lsmtpd::app
