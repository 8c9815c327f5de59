// SPDX-License-Identifier: Apache-2.0
// A broker of AMQP 0-9-1 on a port and a thread of its own that does what a script says: one
// connection at a time. Functions may be called from the test's thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "methods.hpp"

namespace lsmtpd::amqp091::test {

enum class Answer { ack, nack, hold, give_back, close_channel };

struct Script {
  std::string protocol_header;  // sent instead of connection.start, where not empty
  std::string product = "RabbitMQ";
  std::string version = "4.0.5";
  std::string mechanisms = "PLAIN AMQPLAIN";
  bool refuse_login = false;
  Tune tune{2047, 131072, 0};
  std::set<std::string, std::less<>> exchanges = {"mail"};
  // Name to type: "quorum", "classic", or "transient".
  std::map<std::string, std::string, std::less<>> queues = {{"mail", "quorum"}};
  bool deaf = false;                                 // reads nothing more
  std::function<Answer(std::size_t number)> answer;  // by the number of the message, from 0
};

struct Published {
  std::uint16_t channel = 0;
  std::string exchange;
  std::string routing_key;
  bool mandatory = false;
  std::string header;  // the content header's payload
  std::string body;
};

class ScriptedBroker {
 public:
  explicit ScriptedBroker(Script script);
  ~ScriptedBroker();
  ScriptedBroker(const ScriptedBroker&) = delete;
  ScriptedBroker& operator=(const ScriptedBroker&) = delete;

  std::string url() const { return "amqp://127.0.0.1:" + std::to_string(port_); }
  void change(const std::function<void(Script&)>& change);
  void confirm(std::uint64_t tag, bool multiple, bool ack = true);
  void block(const std::string& why);
  void unblock();
  void close_connection(std::uint16_t code, const std::string& text);
  void send_raw(const std::string& bytes);
  void drop();  // the socket

  std::size_t connections() const { return connections_; }
  std::size_t heartbeats() const { return heartbeats_; }
  std::vector<Published> published() const;
  std::string login() const;  // the response of start-ok

 private:
  void run();
  void later(std::function<void()> task);
  void wake();
  void accept();
  void read();
  void leave();
  bool one_frame();
  void method(std::uint16_t channel, Reader payload);
  void start();
  void declare_queue(std::uint16_t channel, Reader payload);
  void close_channel(std::uint16_t channel, std::uint16_t code, const std::string& text);
  void publish(std::uint16_t channel, Reader payload);
  void content(FrameType type, std::string_view payload);
  void finish();
  void flush();

  mutable std::mutex mutex_;
  Script script_;
  std::vector<Published> published_;
  std::string login_;
  std::vector<std::function<void()>> tasks_;
  std::atomic<std::size_t> connections_{0};
  std::atomic<std::size_t> heartbeats_{0};
  std::atomic<bool> stop_{false};
  int listener_ = -1;
  int wake_ = -1;
  int fd_ = -1;
  std::uint16_t port_ = 0;
  // The thread's own.
  std::string in_;
  std::string out_;
  bool greeted_ = false;
  Published current_;
  std::uint64_t wanted_ = 0;
  bool in_content_ = false;
  std::map<std::uint16_t, std::uint64_t> tags_;  // the last of each channel
  std::uint16_t channel_ = 0;                    // the last that was opened
  std::thread thread_;
};

}  // namespace lsmtpd::amqp091::test
