// SPDX-License-Identifier: Apache-2.0
// One connection to a NATS server, on a thread of its own: libnats blocks while it connects, and in
// TLS while the server reads nothing, so nothing of it runs on the loop.
//
// libnats gets this thread as its event loop: one thread reads, writes and publishes. The answers
// come by a thread of the library, and go on to the loop, many at a time. It neither connects again
// nor sends anything again by itself. start() once; publish() while it is open; stop() ends it at
// any time. Owner hears of each step on the loop, and courier_ended() comes last, always: then
// join(). Between stop() and that the owner lives.
#pragma once

#include <nats/nats.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <lsmtpd/sdk/plugin.hpp>
#include <memory>
#include <mutex>
#include <sink/library_tls.hpp>
#include <sink/step.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace lsmtpd::nats {

// As it is handed to libnats.
struct Publication {
  std::uint64_t number = 0;  // rises; 0: a question to the server
  std::string subject;
  std::string reply;  // a token: the answer comes with it
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  sdk::Reservation memory;  // of it and libnats's copy
};

struct Answer {
  std::string token;
  std::string body;
  bool no_responders = false;
};

class Courier {
 public:
  // The connection. [loop]
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void courier_open(Courier& courier) = 0;
    virtual void courier_answers(Courier& courier, std::vector<Answer> answers) = 0;
    // "Permissions Violation for Publish to ...", after which no answer comes.
    virtual void courier_denied(Courier& courier, const std::string& why) = 0;
    // unsent() has fallen below what was asked for.
    virtual void courier_has_room(Courier& courier) = 0;
    // Not connected, or no longer.
    virtual void courier_failed(Courier& courier, sink::Step step, const std::string& why) = 0;
    virtual void courier_ended(Courier& courier) = 0;
  };

  struct Settings {
    std::string url;   // with an address
    std::string host;  // the URL's, for TLS
    bool tls = false;
    sink::TlsOptions tls_options;
    std::string name;  // as the server's monitoring shows it
    std::string username;
    std::string password;
    std::string token;
    std::string credentials_file;
    std::string inbox;  // answers come to "<inbox>.<token>"
    std::chrono::milliseconds timeout{0};
  };

  // Facts of an open connection.
  struct Server {
    std::string id;
    std::uint64_t max_payload = 0;
    bool headers = false;
    std::string tls;  // version and cipher; empty: clear text
  };

  Courier(sdk::LaneHost host, Settings settings, Owner& owner);
  ~Courier();
  Courier(const Courier&) = delete;
  Courier& operator=(const Courier&) = delete;

  // [loop] False: there is no thread, or no descriptor, and nothing follows.
  bool start();
  void publish(Publication publication);
  void stop();
  void join() { thread_.join(); }

  // [loop] Octets that the server's socket has not taken.
  std::size_t unsent() const;
  void wants_room() { wants_room_ = true; }
  // [loop] The number of the last publication that libnats was given. Final once the courier has
  // stopped or failed.
  std::uint64_t last_given() const;
  sink::Step step() const;
  const Server& server() const { return server_; }

 private:
  void run();
  // These three: false, it has said so.
  bool connect();
  bool set_up_tls(natsOptions* options);
  bool subscribe();
  natsStatus set_up(natsOptions* options);
  natsStatus log_in(natsOptions* options);
  void fail(natsStatus status);
  void learn();
  void serve();
  void give();
  bool give_one();
  natsStatus hand_over(const Publication& publication);
  void wait();
  void close();
  void end(sink::Step step, const std::string& why);
  void note_unsent();
  void tell();
  void heard();
  void wake();

  // Of libnats's last error on this thread.
  static std::string error_text(natsStatus status);
  static natsStatus attach(void** data, void* self, natsConnection* connection, natsSock socket);
  static natsStatus want_read(void* self, bool add);
  static natsStatus want_write(void* self, bool add);
  static natsStatus detach(void* self);
  static void on_answer(natsConnection*, natsSubscription*, natsMsg* message, void* self);
  static void on_answers_over(void* self);
  static void on_error(natsConnection* connection, natsSubscription*, natsStatus, void* self);
  static void on_closed(natsConnection*, void* self);

  sdk::LaneHost host_;
  const Settings settings_;
  Owner& owner_;
  std::thread thread_;
  int wake_ = -1;  // eventfd
  std::atomic<bool> wants_room_{false};
  std::atomic<std::size_t> buffered_{0};  // in libnats
  std::atomic<bool> connected_{false};

  // The thread's.
  natsConnection* connection_ = nullptr;
  natsSubscription* answers_ = nullptr;
  bool answers_end_ = false;  // answers_over_ comes
  Server server_;             // the loop's too, once it is open
  natsSock socket_ = -1;

  mutable std::mutex mutex_;  // guards these
  std::condition_variable closed_;
  std::unique_ptr<sink::LibraryTls> tls_;
  std::deque<Publication> mailbox_;
  std::size_t mailbox_bytes_ = 0;
  std::uint64_t last_given_ = 0;
  int live_socket_ = -1;  // while libnats has it open
  bool write_wanted_ = false;
  bool stopping_ = false;
  // libnats calls back no more: of the connection, of its answers.
  bool closed_said_ = false;
  bool answers_over_ = false;
  // For the loop.
  bool told_ = false;
  bool open_news_ = false;
  bool room_news_ = false;
  bool ended_news_ = false;
  bool failed_news_ = false;
  sink::Step failed_step_ = sink::Step::connect;
  std::string failed_why_;
  std::vector<Answer> answer_news_;
  std::vector<std::string> denied_news_;
};

}  // namespace lsmtpd::nats
