// SPDX-License-Identifier: Apache-2.0
#include "scripted_broker.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace lsmtpd::amqp091::test {

namespace {

// A method with arguments that `write` appends.
void put(std::string* out, std::uint16_t channel, Method method,
         const std::function<void(Writer&)>& write = {}) {
  FrameWriter frame(out, FrameType::method, channel);
  frame.payload().u32(static_cast<std::uint32_t>(method));
  if (write) write(frame.payload());
}

void put_closing(std::string* out, std::uint16_t channel, std::uint16_t code,
                 const std::string& text) {
  put(out, channel, channel == 0 ? Method::connection_close : Method::channel_close,
      [&](Writer& arguments) {
        arguments.u16(code);
        arguments.short_string(text);
        arguments.u32(0);
      });
}

}  // namespace

ScriptedBroker::ScriptedBroker(Script script) : script_(std::move(script)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  wake_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  // Small, so that a test fills it soon.
  const int buffer = 32 * 1024;
  ::setsockopt(listener_, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  if (::bind(listener_, raw, size) != 0 || ::listen(listener_, 8) != 0 ||
      ::getsockname(listener_, raw, &size) != 0)
    std::abort();
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { run(); });
}

ScriptedBroker::~ScriptedBroker() {
  stop_ = true;
  wake();
  thread_.join();
  for (const int fd : {listener_, wake_, fd_})
    if (fd >= 0) ::close(fd);
}

void ScriptedBroker::wake() {
  const std::uint64_t one = 1;
  if (::write(wake_, &one, sizeof one) < 0) std::abort();
}

void ScriptedBroker::later(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  wake();
}

void ScriptedBroker::change(const std::function<void(Script&)>& change) {
  const std::lock_guard lock(mutex_);
  change(script_);
}

std::vector<Published> ScriptedBroker::published() const {
  const std::lock_guard lock(mutex_);
  return published_;
}

std::string ScriptedBroker::login() const {
  const std::lock_guard lock(mutex_);
  return login_;
}

void ScriptedBroker::confirm(std::uint64_t tag, bool multiple, bool ack) {
  later([=, this] {
    put(&out_, channel_, ack ? Method::basic_ack : Method::basic_nack, [&](Writer& arguments) {
      arguments.u64(tag);
      arguments.octet(multiple ? 1 : 0);
    });
  });
}

void ScriptedBroker::block(const std::string& why) {
  later([=, this] {
    put(&out_, 0, Method::connection_blocked,
        [&](Writer& arguments) { arguments.short_string(why); });
  });
}

void ScriptedBroker::unblock() {
  later([this] { put(&out_, 0, Method::connection_unblocked); });
}

void ScriptedBroker::close_connection(std::uint16_t code, const std::string& text) {
  later([=, this] { put_closing(&out_, 0, code, text); });
}

void ScriptedBroker::send_raw(const std::string& bytes) {
  later([=, this] { out_ += bytes; });
}

void ScriptedBroker::drop() {
  later([this] { leave(); });
}

void ScriptedBroker::run() {
  while (!stop_) {
    pollfd watched[3] = {{wake_, POLLIN, 0}, {listener_, POLLIN, 0}, {fd_, POLLIN, 0}};
    if (!out_.empty()) watched[2].events |= POLLOUT;
    {
      const std::lock_guard lock(mutex_);
      if (script_.deaf) watched[2].events &= POLLOUT;
    }
    if (::poll(watched, fd_ < 0 ? 2 : 3, -1) < 0) continue;
    if (watched[0].revents != 0) {
      std::uint64_t count = 0;
      if (::read(wake_, &count, sizeof count) < 0) continue;
      std::vector<std::function<void()>> tasks;
      {
        const std::lock_guard lock(mutex_);
        tasks.swap(tasks_);
      }
      for (const auto& task : tasks) task();
    }
    if (watched[1].revents != 0) accept();
    if (fd_ >= 0 && watched[2].fd == fd_ && (watched[2].revents & (POLLIN | POLLHUP)) != 0) read();
    flush();
  }
}

void ScriptedBroker::accept() {
  leave();
  fd_ = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  ++connections_;
}

void ScriptedBroker::leave() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  in_.clear();
  out_.clear();
  greeted_ = false;
  in_content_ = false;
  tags_.clear();
}

void ScriptedBroker::flush() {
  std::size_t done = 0;
  while (fd_ >= 0 && done < out_.size()) {
    const ssize_t sent = ::send(fd_, out_.data() + done, out_.size() - done, MSG_NOSIGNAL);
    if (sent <= 0) break;
    done += static_cast<std::size_t>(sent);
  }
  out_.erase(0, done);
}

void ScriptedBroker::read() {
  char buffer[65536];
  const ssize_t got = ::recv(fd_, buffer, sizeof buffer, 0);
  if (got < 0 && errno == EAGAIN) return;  // a new connection with the number of the last
  if (got <= 0) return leave();
  in_.append(buffer, static_cast<std::size_t>(got));
  if (!greeted_) {
    if (in_.size() < 8) return;
    in_.erase(0, 8);
    greeted_ = true;
    start();
  }
  while (fd_ >= 0 && one_frame()) {
  }
}

void ScriptedBroker::start() {
  const std::lock_guard lock(mutex_);
  if (!script_.protocol_header.empty()) {
    out_ += script_.protocol_header;
    return;
  }
  put(&out_, 0, Method::connection_start, [&](Writer& arguments) {
    arguments.octet(0);
    arguments.octet(9);
    Table inner;
    inner.boolean("publisher_confirms", true);
    Table server;
    server.text("product", script_.product);
    server.text("version", script_.version);
    server.table("capabilities", inner);
    server.write(arguments);
    arguments.long_string(script_.mechanisms);
    arguments.long_string("en_US");
  });
}

bool ScriptedBroker::one_frame() {
  if (in_.size() < kFrameOverhead) return false;
  Reader head(in_);
  const auto type = static_cast<FrameType>(head.octet());
  const std::uint16_t channel = head.u16();
  const std::uint32_t size = head.u32();
  if (in_.size() < kFrameOverhead + size) return false;
  const std::string payload = in_.substr(kFrameHead, size);
  in_.erase(0, kFrameOverhead + size);
  if (type == FrameType::heartbeat) {
    ++heartbeats_;
  } else if (type == FrameType::method) {
    method(channel, Reader(payload));
  } else {
    content(type, payload);
  }
  return true;
}

void ScriptedBroker::method(std::uint16_t channel, Reader payload) {
  const Method method = read_method(&payload);
  const std::lock_guard lock(mutex_);
  switch (method) {
    case Method::connection_start_ok: {
      payload.table();
      payload.short_string();
      login_ = std::string(payload.long_string());
      if (script_.refuse_login)
        return put_closing(&out_, 0, 403, "ACCESS_REFUSED - Login was refused");
      return put(&out_, 0, Method::connection_tune, [&](Writer& arguments) {
        arguments.u16(script_.tune.channel_max);
        arguments.u32(script_.tune.frame_max);
        arguments.u16(script_.tune.heartbeat);
      });
    }
    case Method::connection_open:
      return put(&out_, 0, Method::connection_open_ok,
                 [](Writer& arguments) { arguments.short_string({}); });
    case Method::connection_close:
      return put(&out_, 0, Method::connection_close_ok);
    case Method::channel_open:
      channel_ = channel;
      tags_[channel] = 0;
      return put(&out_, channel, Method::channel_open_ok,
                 [](Writer& arguments) { arguments.long_string({}); });
    case Method::channel_close:
      return put(&out_, channel, Method::channel_close_ok);
    case Method::exchange_declare: {
      payload.u16();
      const std::string name(payload.short_string());
      if (script_.exchanges.contains(name)) return put(&out_, channel, Method::exchange_declare_ok);
      return close_channel(channel, 404, "NOT_FOUND - no exchange '" + name + "' in vhost '/'");
    }
    case Method::queue_declare:
      return declare_queue(channel, payload);
    case Method::confirm_select:
      return put(&out_, channel, Method::confirm_select_ok);
    case Method::basic_publish:
      return publish(channel, payload);
    default:
      return;
  }
}

void ScriptedBroker::declare_queue(std::uint16_t channel, Reader payload) {
  payload.u16();
  const std::string name(payload.short_string());
  const bool passive = (payload.octet() & 1U) != 0;
  const Fields arguments = payload.table();
  const auto found = script_.queues.find(name);
  if (passive && found == script_.queues.end())
    return close_channel(channel, 404, "NOT_FOUND - no queue '" + name + "' in vhost '/'");
  if (!passive && found != script_.queues.end()) {
    const std::string wanted = arguments.find("x-queue-type")->second;
    if (found->second == "transient")
      return close_channel(channel, 406,
                           "PRECONDITION_FAILED - inequivalent arg 'durable' for queue '" + name +
                               "' in vhost '/': received 'true' but current is 'false'");
    if (found->second != wanted)
      return close_channel(channel, 406,
                           "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue '" +
                               name + "' in vhost '/': received '" + wanted + "' but current is '" +
                               found->second + "'");
  }
  if (!passive) script_.queues.emplace(name, arguments.find("x-queue-type")->second);
  put(&out_, channel, Method::queue_declare_ok, [&](Writer& out) {
    out.short_string(name);
    out.u32(0);
    out.u32(0);
  });
}

void ScriptedBroker::close_channel(std::uint16_t channel, std::uint16_t code,
                                   const std::string& text) {
  put_closing(&out_, channel, code, text);
}

void ScriptedBroker::publish(std::uint16_t channel, Reader payload) {
  current_ = {};
  current_.channel = channel;
  payload.u16();
  current_.exchange = std::string(payload.short_string());
  current_.routing_key = std::string(payload.short_string());
  current_.mandatory = (payload.octet() & 1U) != 0;
  in_content_ = true;
  wanted_ = 0;
}

void ScriptedBroker::content(FrameType type, std::string_view payload) {
  if (!in_content_) return;
  if (type == FrameType::header) {
    current_.header = std::string(payload);
    Reader header(payload);
    header.u32();
    wanted_ = header.u64();
  } else {
    current_.body += payload;
  }
  if (current_.body.size() == wanted_) finish();
}

// Both the return and the confirm that follows it, as RabbitMQ sends them.
void ScriptedBroker::finish() {
  const std::lock_guard lock(mutex_);
  in_content_ = false;
  const std::uint64_t tag = ++tags_[current_.channel];
  const std::size_t number = published_.size();
  published_.push_back(current_);
  const Answer answer = script_.answer ? script_.answer(number) : Answer::ack;
  if (answer == Answer::hold) return;
  if (answer == Answer::close_channel)
    return close_channel(current_.channel, 404, "NOT_FOUND - no exchange 'mail' in vhost '/'");
  if (answer == Answer::give_back) {
    put(&out_, current_.channel, Method::basic_return, [&](Writer& arguments) {
      arguments.u16(312);
      arguments.short_string("NO_ROUTE");
      arguments.short_string(current_.exchange);
      arguments.short_string(current_.routing_key);
    });
    {
      FrameWriter frame(&out_, FrameType::header, current_.channel);
      out_ += current_.header;
    }
    for (std::size_t at = 0; at < current_.body.size(); at += 4000) {
      FrameWriter frame(&out_, FrameType::body, current_.channel);
      out_ += current_.body.substr(at, 4000);
    }
  }
  put(&out_, current_.channel, answer == Answer::nack ? Method::basic_nack : Method::basic_ack,
      [&](Writer& arguments) {
        arguments.u64(tag);
        arguments.octet(0);
      });
}

}  // namespace lsmtpd::amqp091::test
