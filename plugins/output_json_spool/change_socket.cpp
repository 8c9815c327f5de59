// SPDX-License-Identifier: Apache-2.0
#include "change_socket.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>

#include "file_names.hpp"
#include "threads.hpp"

namespace lsmtpd::json_spool {
namespace {

constexpr const char* kName = ".changes";
constexpr std::size_t kRequestMax = 512;
constexpr timeval kPatience{30, 0};  // of a tool: the disk may be slow

// By the directory's descriptor: a path may be longer than an address can be.
sockaddr_un address_in(int directory) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", directory,
                kName);
  return address;
}

int packet_socket() {
  return ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
}

std::string_view take_word(std::string_view& text) {
  const std::size_t end = text.find(' ');
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return word;
}

}  // namespace

int OwnChanges::remove(State state, const std::string& id) {
  if (state == State::waiting && filer_ != nullptr) return remove_waiting(id);
  const journal::Key key = journal_.copies().key_of(id, state == State::dead);
  return static_cast<int>(journal_.remove_now(key));
}

// Wherever it is at this moment: in the journal, in its file, or an older copy in a file beside it.
int OwnChanges::remove_waiting(const std::string& id) {
  const journal::Key key = journal_.copies().key_of(id, false);
  const Handover::Hold hold(filer_->handover(), key);
  const auto error = static_cast<int>(journal_.remove_now(key));
  if (error < 0 && error != -ENOENT) return error;
  const int file = files_.unlink(directory_.messages(), file_name(id).c_str());
  return file == -ENOENT ? error : file;
}

int OwnChanges::retry(const std::string& id) {
  const int error = JournalArchive(journal_).retry(id);
  if (error >= 0 && filer_ != nullptr) filer_->add(journal_.copies().key_of(id, false));
  return error;
}

int ChangeServer::start() {
  const sockaddr_un address = address_in(directory_.messages());
  const auto* plain = reinterpret_cast<const sockaddr*>(&address);
  files_.unlink(directory_.messages(), kName);  // of a daemon that was killed
  listener_ = packet_socket();
  ended_ = ::eventfd(0, EFD_CLOEXEC);
  if (listener_ < 0 || ended_ < 0 || ::bind(listener_, plain, sizeof(address)) != 0 ||
      ::listen(listener_, static_cast<int>(kMostTools)) != 0) {
    const int error = -errno;
    if (listener_ >= 0) ::close(listener_);
    if (ended_ >= 0) ::close(ended_);
    listener_ = ended_ = -1;
    return error;
  }
  thread_ = quiet_thread("spool-changes", [this] { run(); });
  return 0;
}

void ChangeServer::stop() {
  if (!thread_.joinable()) return;
  const std::uint64_t one = 1;
  const bool told = ::write(ended_, &one, sizeof(one)) == sizeof(one);
  (void)told;  // a counter of 0 takes it
  thread_.join();
  files_.unlink(directory_.messages(), kName);
  ::close(listener_);
  ::close(ended_);
}

void ChangeServer::run() {
  std::vector<int> tools;
  for (;;) {
    std::vector<pollfd> watched = {{ended_, POLLIN, 0}, {listener_, POLLIN, 0}};
    if (tools.size() >= kMostTools) watched[1].fd = -1;  // later
    for (const int tool : tools) watched.push_back({tool, POLLIN, 0});
    if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) break;
    if (watched[0].revents != 0) break;
    for (std::size_t i = 2; i < watched.size(); ++i) {
      if (watched[i].revents == 0 || serve(watched[i].fd)) continue;
      ::close(watched[i].fd);
      tools.erase(std::find(tools.begin(), tools.end(), watched[i].fd));
    }
    if (watched[1].revents != 0) accept_tool(tools);
  }
  for (const int tool : tools) ::close(tool);
}

void ChangeServer::accept_tool(std::vector<int>& tools) {
  const int tool = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (tool >= 0) {
    tools.push_back(tool);
  } else if (errno == EMFILE || errno == ENFILE) {
    ::poll(nullptr, 0, 100);  // descriptors are short: the tool waits
  }
}

// False: the tool has ended, or takes no answers.
bool ChangeServer::serve(int tool) {
  char request[kRequestMax];
  const ssize_t got = ::recv(tool, request, sizeof(request), 0);
  if (got <= 0) return got < 0 && errno == EAGAIN;
  const std::string reply = std::to_string(answer({request, static_cast<std::size_t>(got)}));
  return ::send(tool, reply.data(), reply.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(reply.size());
}

int ChangeServer::answer(std::string_view request) {
  const std::string_view verb = take_word(request);
  State state = State::dead;
  if (verb == "remove") {
    const std::string_view word = take_word(request);
    if (word == name_of(State::waiting)) {
      state = State::waiting;
    } else if (word != name_of(State::dead)) {
      return -EINVAL;
    }
  } else if (verb != "retry") {
    return -EINVAL;
  }
  if (!valid_id(request)) return -EINVAL;
  const std::string id(request);
  return verb == "remove" ? changes_.remove(state, id) : changes_.retry(id);
}

ChangeClient::~ChangeClient() {
  if (socket_ >= 0) ::close(socket_);
}

bool ChangeClient::connect(const Directory& directory) {
  const sockaddr_un address = address_in(directory.messages());
  socket_ = packet_socket();
  if (socket_ < 0) return false;
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
  ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof(kPatience));
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0)
    return true;
  ::close(socket_);
  socket_ = -1;
  return false;
}

int ChangeClient::ask(const std::string& request) const {
  if (::send(socket_, request.data(), request.size(), MSG_NOSIGNAL) < 0) return -errno;
  char reply[32];
  const ssize_t got = ::recv(socket_, reply, sizeof(reply), 0);
  if (got < 0) return errno == EAGAIN ? -ETIMEDOUT : -errno;
  int result = -EPROTO;
  const auto end = std::from_chars(reply, reply + got, result);
  return end.ec == std::errc() ? result : -EPIPE;  // an empty packet: the daemon ended
}

int ChangeClient::remove(State state, const std::string& id) {
  return ask(std::string("remove ") + name_of(state) + " " + id);
}

int ChangeClient::retry(const std::string& id) {
  return ask("retry " + id);
}

}  // namespace lsmtpd::json_spool
