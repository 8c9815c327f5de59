// SPDX-License-Identifier: Apache-2.0
// A NATS server on loopback that says what a test tells it to, for what a real one does only by
// chance. It answers questions about the stream by itself; messages wait until the test answers
// them. On a thread of its own; its functions are for the test's.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace lsmtpd::nats::test {

class ScriptedServer {
 public:
  struct Message {
    std::string subject;
    std::string reply;
    std::string headers;
    std::string body;
  };

  ScriptedServer();
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  std::string url() const { return "nats://127.0.0.1:" + std::to_string(port_); }
  // The members of the stream's "config" that are not as usual.
  void stream(const std::string& members);
  // Questions about the stream get no answer from now on.
  void keep_silent();
  std::size_t count();  // of messages that came
  std::size_t connections();
  std::size_t questions();              // about the stream
  Message message(std::size_t number);  // waits for it
  // To the one who published message `number`.
  void answer(std::size_t number, const std::string& body);
  // "NATS/1.0 503", without a body.
  void no_responders(std::size_t number);
  void error(const std::string& text);  // -ERR
  // Ends the connection.
  void cut();

 private:
  void run();
  void serve(int socket);
  bool line(int socket, const std::string& text, std::string* buffer);
  void put(const std::string& bytes);

  int listener_ = -1;
  int port_ = 0;
  std::mutex mutex_;  // guards these
  std::condition_variable changed_;
  int socket_ = -1;
  bool ending_ = false;
  bool silent_ = false;
  std::size_t connections_ = 0;
  std::size_t questions_ = 0;
  std::string stream_;
  std::deque<Message> messages_;
  std::thread thread_;
};

}  // namespace lsmtpd::nats::test
