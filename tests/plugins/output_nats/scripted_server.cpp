// SPDX-License-Identifier: Apache-2.0
#include "scripted_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <sstream>
#include <stdexcept>

namespace lsmtpd::nats::test {

namespace {

constexpr const char* kInfo =
    "INFO {\"server_id\":\"SCRIPTED\",\"version\":\"2.9.10\",\"proto\":1,\"headers\":true,"
    "\"max_payload\":100000}\r\n";
constexpr const char* kUsual =
    R"("subjects":["mail.>"],"retention":"limits","discard":"new","storage":"file",)"
    R"("num_replicas":1,"max_msg_size":-1)";

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

}  // namespace

ScriptedServer::ScriptedServer() : stream_(kUsual) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener_, 8) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw std::runtime_error("no port to listen on");
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { run(); });
}

ScriptedServer::~ScriptedServer() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
  }
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
}

void ScriptedServer::run() {
  for (;;) {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    {
      const std::lock_guard lock(mutex_);
      if (ending_ || socket < 0) {
        if (socket >= 0) ::close(socket);
        return;
      }
      socket_ = socket;
      ++connections_;
    }
    serve(socket);
    const std::lock_guard lock(mutex_);
    socket_ = -1;
    ::close(socket);
  }
}

void ScriptedServer::serve(int socket) {
  put(kInfo);
  std::string buffer;
  char piece[65536];
  for (;;) {
    const auto end = buffer.find("\r\n");
    if (end != std::string::npos) {
      const std::string text = buffer.substr(0, end);
      buffer.erase(0, end + 2);
      if (!line(socket, text, &buffer)) return;
      continue;
    }
    const ssize_t got = ::recv(socket, piece, sizeof piece, 0);
    if (got <= 0) return;
    buffer.append(piece, static_cast<std::size_t>(got));
  }
}

// False: the connection has ended.
bool ScriptedServer::line(int socket, const std::string& text, std::string* buffer) {
  const auto words = words_of(text);
  if (words.empty()) return true;
  if (words[0] == "PING") put("PONG\r\n");
  if (words[0] != "PUB" && words[0] != "HPUB") return true;
  const std::size_t size = std::stoul(words.back());
  while (buffer->size() < size + 2) {
    char piece[65536];
    const ssize_t got = ::recv(socket, piece, sizeof piece, 0);
    if (got <= 0) return false;
    buffer->append(piece, static_cast<std::size_t>(got));
  }
  Message message{words[1], words[2], "", buffer->substr(0, size)};
  buffer->erase(0, size + 2);
  if (words[0] == "HPUB") {
    const std::size_t head = std::stoul(words[3]);
    message.headers = message.body.substr(0, head);
    message.body.erase(0, head);
  }
  std::unique_lock lock(mutex_);
  if (words[1].rfind("$JS.API.STREAM.INFO.", 0) == 0) {
    const std::string answer = "{\"config\":{" + stream_ + "}}";
    const bool silent = silent_;
    ++questions_;
    lock.unlock();
    if (!silent)
      put("MSG " + message.reply + " 1 " + std::to_string(answer.size()) + "\r\n" + answer +
          "\r\n");
    return true;
  }
  messages_.push_back(std::move(message));
  changed_.notify_all();
  return true;
}

void ScriptedServer::put(const std::string& bytes) {
  const std::lock_guard lock(mutex_);
  if (socket_ >= 0) (void)!::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

void ScriptedServer::stream(const std::string& members) {
  const std::lock_guard lock(mutex_);
  stream_ = members;
}

void ScriptedServer::keep_silent() {
  const std::lock_guard lock(mutex_);
  silent_ = true;
}

std::size_t ScriptedServer::count() {
  const std::lock_guard lock(mutex_);
  return messages_.size();
}

std::size_t ScriptedServer::connections() {
  const std::lock_guard lock(mutex_);
  return connections_;
}

std::size_t ScriptedServer::questions() {
  const std::lock_guard lock(mutex_);
  return questions_;
}

ScriptedServer::Message ScriptedServer::message(std::size_t number) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::seconds(20), [&] { return messages_.size() > number; });
  return messages_.at(number);
}

void ScriptedServer::answer(std::size_t number, const std::string& body) {
  put("MSG " + message(number).reply + " 1 " + std::to_string(body.size()) + "\r\n" + body +
      "\r\n");
}

void ScriptedServer::no_responders(std::size_t number) {
  const std::string head = "NATS/1.0 503\r\n\r\n";
  const std::string size = std::to_string(head.size());
  put("HMSG " + message(number).reply + " 1 " + size + " " + size + "\r\n" + head + "\r\n");
}

void ScriptedServer::error(const std::string& text) {
  put("-ERR '" + text + "'\r\n");
}

void ScriptedServer::cut() {
  const std::lock_guard lock(mutex_);
  if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
}

}  // namespace lsmtpd::nats::test
