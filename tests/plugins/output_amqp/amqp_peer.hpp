// SPDX-License-Identifier: Apache-2.0
// A broker that does what a test's script says: it accepts AMQP connections on a loopback port,
// records the traffic and answers by a script, correctly or not. It runs on a thread of its own;
// all its functions may be called from any thread, and those that return records return copies.
// Made with its script, ended by its destructor.
#pragma once

#include <proton/connection_driver.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace lsmtpd::amqp::test {

// The peer's answer to a delivery.
struct Answer {
  enum Kind {
    accept,
    reject,
    release,
    modify,
    settle_only,
    accept_unsettled,
    hold,
    drop_connection
  };
  Kind kind = accept;
  std::string condition = {};
  std::string description = {};
  std::vector<std::pair<std::string, std::string>> info = {};  // of the condition
};

struct Script {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any that is free
  std::string product = "Scripted";
  std::string version = "1.0";
  int credit = 1000;
  std::uint64_t max_message_size = 0;
  std::uint32_t max_frame = 0;
  std::uint32_t idle_timeout = 0;   // announced to the client
  int durability = -1;              // granted for the target; -1: as asked for
  std::string refuse_attach;        // a condition: each attach is answered with a detach
  bool end_session = false;         // ... or with the end of the session
  std::string refuse_open;          // a condition: Open is followed by Close
  bool anonymous_terminus = false;  // offers ANONYMOUS-RELAY
  bool takes_open_back = false;     // ... and says so itself, as ActiveMQ Classic does
  std::string queue_type;  // answered by a management as RabbitMQ 4's; empty: there is none
  std::string queue_status = "200";
  bool queue_bounded = false;      // x-max-length
  bool management_silent = false;  // gets requests, and answers none
  std::string certificate;         // PEM files; set: TLS
  std::string key;
  std::string client_ca;         // set: it wants a client certificate of this authority
  std::vector<std::string> raw;  // sent as they are, one after each read; no AMQP at all
  bool silent = false;           // connections are accepted, and nothing else happens
  std::size_t window = 0;        // session window in bytes; 0: as Proton has it
  bool answers_early = false;    // each delivery is accepted at its first bytes, unread
  int sessions = 0;              // allowed to the client at once; 0: as many as Proton has
  bool ignores_attach = false;   // gets no answer
  bool ignores_close = false;    // the client's Close gets no answer
  bool detaches_first = false;   // the client's Close is answered with detaches and Close
  std::size_t read_size = 0;     // bytes read at a time; 0: as many as there are
  std::size_t write_size = 0;    // likewise
  // Called for each message on the peer's thread; number counts from 0 over all connections.
  std::function<Answer(std::size_t number, const std::string& message)> answer;
};

struct Attached {
  std::string name;
  std::string address;
  bool has_address = true;
  std::string hostname;   // of Open
  std::string container;  // of Open
  int durability = -1;
  std::string capabilities;
  std::string outcomes;  // of the source
};

class Peer {
 public:
  explicit Peer(Script script);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  std::uint16_t port() const { return port_; }
  std::string url() const { return "amqp://127.0.0.1:" + std::to_string(port_); }

  // For what comes from now on; returns when it holds.
  void change(std::function<void(Script&)> edit);
  // All links of all connections.
  void grant(int credit);
  void drain();  // all links: use the credit up or give it back
  void detach(const std::string& condition, const std::string& description = {});
  void close(const std::string& condition);
  void drop();  // the sockets close without a word
  // Opens a session of its own on each connection, and a link in it to send to the client.
  void intrude();
  // The management sends a message that answers nothing.
  void tell(const std::string& id);
  // Settles held deliveries, the oldest first; at most `count`.
  void settle_held(Answer answer, std::size_t count = SIZE_MAX);
  void send_raw(const std::string& bytes);

  std::vector<std::string> messages() const;
  std::vector<Attached> attached() const;
  // The requests to the management, "GET /queues/x".
  std::vector<std::string> questions() const;
  std::vector<std::string> raw_received() const;  // where the script is raw: each read
  std::size_t connections() const { return connections_; }
  std::size_t held() const;
  std::size_t drained() const { return drained_; }  // credit returned by a drain
  std::uint64_t frames() const { return frames_; }  // that came on the last connection
  std::size_t partial_bytes() const { return partial_; }

 private:
  struct Client;
  void run();
  void post(std::function<void()> task);
  void accept();
  void serve(Client& client);
  bool read(Client& client);
  bool write(Client& client);
  void read_raw(Client& client);
  void dispatch(Client& client);
  void opened(Client& client);
  void attach(Client& client, pn_link_t* link);
  void attach_management(pn_link_t* link);
  void answer_management(Client& client, const std::string& request);
  void send(Client& client, const std::vector<char>& bytes);
  void deliver(Client& client, pn_link_t* link, pn_delivery_t* delivery);
  void settle(pn_delivery_t* delivery, const Answer& answer);
  void each_link(const std::function<void(pn_link_t*)>& visit);

  Script script_;
  int listener_ = -1;
  int wake_[2] = {-1, -1};
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::deque<std::function<void()>> tasks_;
  std::vector<std::string> messages_;
  std::vector<Attached> attached_;
  std::vector<std::string> questions_;
  std::vector<std::string> raw_received_;
  std::deque<pn_delivery_t*> held_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::atomic<std::size_t> connections_{0};
  std::atomic<std::size_t> partial_{0};
  std::atomic<std::size_t> drained_{0};
  std::atomic<std::uint64_t> frames_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace lsmtpd::amqp::test
