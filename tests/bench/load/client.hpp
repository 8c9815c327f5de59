// SPDX-License-Identifier: Apache-2.0
// The sockets of the load client: one epoll loop, as many connections as asked for.
//
// A round trip is simulated at this end: connect() is called that much later, and what arrived is
// acted on that much later. The server sees a client that far away, but for slow start and for the
// acknowledgements that a long content waits for.
//
// client.cpp has the sockets and the loop, phases.cpp what happens one after the other in a run.
#pragma once

#include <deque>
#include <fstream>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "dialogue.hpp"
#include "replies.hpp"
#include "secure.hpp"

namespace lsmtpd::bench {

class Client : public Work {
 public:
  explicit Client(const Options& options);
  ~Client() override;

  // Connects, sends, counts, and prints the result; returns the exit status.
  int run();

 private:
  struct Link {
    Link(const Options& options, const Script& script, Work& work, Tally& tally,
         Clock::time_point began)
        : dialogue(options, script, work, tally, began) {}
    int fd = -1;
    std::uint64_t number = 0;  // distinguishes it from an earlier one at the same place
    bool connected = false, ready = false, waits_to_write = false;
    std::size_t sent = 0;  // of the piece in front
    Secure secure;
    Dialogue dialogue;
    Replies replies;
  };
  // Something that happens to a connection: it is to be opened, bytes came, or it ended.
  struct Arrival {
    enum Kind : std::uint8_t { open, bytes, end };
    std::size_t place;
    std::uint64_t number;
    Kind kind;
    std::string text;
    Clock::time_point due{};
  };

  bool take() override;
  bool exhausted() const;
  bool gave_up() const;
  // Opens a connection for each message whose moment has come, while places are free.
  void open_due();
  void draw_next();
  // Of a connection for one message that ended: the next one takes its place.
  void follow(std::size_t place);
  std::chrono::nanoseconds until_next() const;

  bool connect_all();
  bool measure();
  bool hang_up_all();
  // Handles events until done(); false, and reported, when nothing came for too long.
  bool turn_until(const std::function<bool()>& done);
  void turn();

  void open(std::size_t place, Clock::time_point now);
  void connect(std::size_t place);
  void close(std::size_t place);
  void broken(std::size_t place, const std::string& how);
  void on_event(std::size_t place, std::uint32_t events);
  void read(std::size_t place);
  void arrived(Arrival&& arrival);
  void act(const Arrival& arrival);
  void answer(std::size_t place);
  void flush(std::size_t place);
  void shake(std::size_t place);
  ssize_t send_pieces(Link& link);
  void watch(std::size_t place, int operation, bool write);

  Options options_;
  Script script_;
  std::unique_ptr<SecureContext> secure_;  // null: in the clear
  Tally tally_;
  int epoll_ = -1;
  std::vector<std::unique_ptr<Link>> links_;  // a place is empty between two connections
  std::deque<Arrival> later_;                 // in order: each waits equally long
  std::uint64_t opened_ = 0, taken_ = 0;
  std::size_t opening_ = 0, open_ = 0;
  Clock::time_point stop_, heard_;
  // With a rate: when the next message is due.
  Clock::time_point due_ = Clock::time_point::max();
  std::minstd_rand dice_;
  Clock::time_point drawing_since_;
  std::ofstream moments_;
  bool crowded_ = false;  // no place is free for the next message: an event comes first
  std::string missing_;
};

}  // namespace lsmtpd::bench
