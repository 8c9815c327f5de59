// SPDX-License-Identifier: Apache-2.0
// A small HTTP/1.1 server for few clients: one request a connection, bounded in all that a client
// can make grow, and paced so that a flood costs mail nothing. On a loop of its own. [loop]
//
// A request must be there within kRequestMs and its answer be taken within kAnswerMs. Where all
// places are taken the oldest connection that still sends its request makes room: one that sends
// an octet now and then cannot keep a probe out.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "admin/http_request.hpp"
#include "base/unique_fd.hpp"
#include "io/loop.hpp"

namespace lsmtpd::admin {

class HttpServer;

// One request and its answer. A handler may keep it to answer later. [loop]
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  static constexpr size_t kMostUnsent = 8u << 20;

  Exchange(HttpServer& server, UniqueFd fd, bool local);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  const Request& request() const { return request_; }
  // The whole answer, once. `more`: lines of header, each with CRLF.
  void answer(int status, std::string_view type, std::string_view body, std::string_view more = {});
  // An answer in pieces, until end(). The client has to take what was written before more than
  // kMostUnsent wait.
  void begin(std::string_view type);
  void write(std::string_view piece);
  void end();
  // The client is gone: nothing will be sent.
  bool gone() const { return state_ == State::closed; }
  // `function` runs once the connection is closed; one only.
  void when_closed(io::Task function) { closed_ = std::move(function); }

 private:
  friend class HttpServer;
  enum class State : uint8_t { request, handler, answer, lingering, closed };

  void start();
  void ready(int events);
  void read();
  void got(std::string_view octets);
  void flush();
  void sent_all();
  void close();

  HttpServer& server_;
  UniqueFd fd_;
  const bool local_;
  State state_ = State::request;
  RequestReader reader_;
  Request request_;
  std::string out_;
  size_t sent_ = 0;
  bool ended_ = false;    // the answer is complete
  bool streams_ = false;  // it comes in pieces
  std::unique_ptr<io::Watch> watch_;
  Deadlines::Entry deadline_;
  io::Task closed_;
};

class HttpServer {
 public:
  static constexpr uint64_t kRequestMs = 5000, kAnswerMs = 10'000, kLingerMs = 1000;
  static constexpr uint64_t kPaceMs = 100;     // at most
  static constexpr uint32_t kMostInPace = 20;  // connections are accepted in that time
  static constexpr size_t kMostTcp = 64, kMostLocal = 32;

  using Handler = std::function<void(const std::shared_ptr<Exchange>&)>;

  HttpServer(io::Loop& loop, Handler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // `socket` listens already. `local`: a Unix socket, whose peers are named.
  void add(UniqueFd socket, bool local);
  size_t connections() const { return exchanges_.size(); }

 private:
  friend class Exchange;
  struct Listening {
    UniqueFd fd;
    bool local;
    uint32_t in_pace = 0;
    std::unique_ptr<io::Watch> watch;
  };

  void accept(Listening& listening);
  void make_room(bool local);
  void remove(Exchange& exchange);
  void new_pace();

  io::Loop& loop_;
  const Handler handler_;
  std::vector<std::unique_ptr<Listening>> listening_;
  std::list<std::shared_ptr<Exchange>> exchanges_;  // the oldest first
  io::Timer pace_;
};

}  // namespace lsmtpd::admin
