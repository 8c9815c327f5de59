// SPDX-License-Identifier: Apache-2.0
// A simulation of processes that connect to three brokers, with a clock and dice of its own. The
// classes that decide who tries when are the real ones: Seat, Failover, AttemptGate.
//
// A broker takes 250 logins a second, one after the other (TLS and a hashed password), and its
// system keeps 128 connections that it has not accepted (RabbitMQ's default `backlog`): what comes
// beyond that is refused, and comes again. A control run has neither jitter nor limit.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <iostream>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include <sink/attempt_gate.hpp>
#include <sink/failover.hpp>
#include <sink/rebalance.hpp>
#include <sink/seat.hpp>

namespace lsmtpd::sink::test {

inline constexpr std::size_t kProcesses = 20;
inline constexpr std::size_t kWorkers = 64;
inline constexpr std::size_t kBrokers = 3;
inline constexpr std::uint64_t kLogin = 4;         // milliseconds
inline constexpr std::uint64_t kTimeout = 10'000;  // `connect_timeout`
inline constexpr std::size_t kBacklog = 128;
inline constexpr std::uint32_t kRate = 10;           // `connect_rate`
inline constexpr std::uint64_t kRebalance = 60'000;  // `rebalance`
inline constexpr std::uint64_t kTrial = 1000;        // how long a trial lasts

class Clock {
 public:
  std::uint64_t now() const { return now_; }
  void at(std::uint64_t time, std::function<void()> run) {
    events_.push({time, ++number_, std::move(run)});
  }
  void run_until(std::uint64_t end) {
    while (!events_.empty() && events_.top().time <= end) {
      const Event event = events_.top();
      events_.pop();
      now_ = event.time;
      event.run();
    }
    now_ = end;
  }

 private:
  struct Event {
    std::uint64_t time;
    std::uint64_t number;  // those of one time run in their order
    std::function<void()> run;
    bool operator<(const Event& other) const {
      return time != other.time ? time > other.time : number > other.number;
    }
  };
  std::priority_queue<Event> events_;
  std::uint64_t now_ = 0;
  std::uint64_t number_ = 0;
};

// The most of these times, which rise, within `window`.
inline std::size_t most_within(const std::vector<std::uint64_t>& times, std::uint64_t window) {
  std::size_t most = 0;
  std::size_t first = 0;
  for (std::size_t last = 0; last < times.size(); ++last) {
    while (times[last] - times[first] >= window) ++first;
    most = std::max(most, last - first + 1);
  }
  return most;
}

class Broker {
 public:
  explicit Broker(Clock& clock) : clock_(clock) {}

  // `done` comes once, with true for a login.
  void connect(std::function<void(bool)> done) {
    const std::uint64_t now = clock_.now();
    if (up_) attempts_.push_back(now);
    if (!up_ || waiting_ >= kBacklog) {
      if (up_) ++refused_;
      return clock_.at(now + 1, [done = std::move(done)] { done(false); });
    }
    most_waiting_ = std::max(most_waiting_, ++waiting_);
    free_ = std::max(free_, now) + kLogin;
    const bool in_time = free_ <= now + kTimeout;
    clock_.at(free_, [this, life = life_, in_time, done = std::move(done)] {
      if (life == life_) --waiting_;
      done(life == life_ && up_ && in_time);
    });
  }
  void go_down() {
    up_ = false;
    ++life_;
    waiting_ = 0;
  }
  void come_up() {
    up_ = true;
    free_ = clock_.now();
  }
  // Counts from here.
  void begin() {
    attempts_.clear();
    most_waiting_ = refused_ = 0;
  }
  std::size_t most_attempts() const { return most_within(attempts_, 1000); }
  std::size_t most_waiting() const { return most_waiting_; }
  std::size_t refused() const { return refused_; }

 private:
  Clock& clock_;
  bool up_ = true;
  int life_ = 0;
  std::uint64_t free_ = 0;
  std::size_t waiting_ = 0, most_waiting_ = 0, refused_ = 0;
  std::vector<std::uint64_t> attempts_;
};

struct Cluster {
  Clock clock;
  std::vector<Broker> brokers{Broker(clock), Broker(clock), Broker(clock)};
  std::mt19937 random{16};
  bool control = false;
  std::size_t connected = 0;
  std::uint64_t all_connected_at = 0;
};

// One worker's connection, as Dialer makes it.
class Lane {
 public:
  Lane(Cluster& cluster, AttemptGate& gate, Seat seat)
      : cluster_(cluster),
        gate_(gate),
        order_(kBrokers, seat.url(kBrokers), seat.turn(kBrokers), 200, 10'000) {}

  void attempt() {
    connect(order_.current(), [this](bool good) { good ? opened() : failed(); });
  }
  // As Rebalance does, with the classes of the plugins left out.
  void check_later() {
    const std::uint64_t pause = rebalance_pause(kRebalance, dice());
    cluster_.clock.at(cluster_.clock.now() + (cluster_.control ? kRebalance : pause), [this] {
      if (order_.current() == order_.home()) return;
      connect(order_.home(), [this](bool good) {
        if (!good) return check_later();
        cluster_.clock.at(cluster_.clock.now() + kTrial, [this] { go_home(); });
      });
    });
  }
  void lose(std::size_t broker) {
    if (!connected_ || order_.current() != broker) return;
    connected_ = false;
    --cluster_.connected;
    const std::uint64_t now = cluster_.clock.now();
    cluster_.clock.at(now + order_.lost(now, dice()), [this] { attempt(); });
  }
  std::size_t at() const { return order_.current(); }

 private:
  std::uint64_t dice() { return cluster_.control ? 0 : cluster_.random(); }
  void connect(std::size_t broker, std::function<void(bool)> done) {
    const std::uint64_t now = cluster_.clock.now();
    const std::uint64_t wait =
        cluster_.control ? 0 : gate_.wait(std::to_string(broker), kRate, now);
    cluster_.clock.at(now + wait, [this, broker, done = std::move(done)] {
      cluster_.brokers[broker].connect(done);
    });
  }
  void go_home() {
    connected_ = false;
    --cluster_.connected;
    order_.go_home();
    attempt();
  }
  void opened() {
    connected_ = true;
    order_.succeeded(cluster_.clock.now());
    if (++cluster_.connected == kProcesses * kWorkers)
      cluster_.all_connected_at = cluster_.clock.now();
  }
  void failed() {
    cluster_.clock.at(cluster_.clock.now() + order_.failed(dice()), [this] { attempt(); });
  }

  Cluster& cluster_;
  AttemptGate& gate_;
  Failover order_;
  bool connected_ = false;
};

struct Figures {
  std::size_t attempts = 0;  // in the worst second of the worst broker
  std::size_t waiting = 0;   // to be accepted, at the worst moment
  std::size_t refused = 0;   // beyond the backlog
  std::uint64_t ms = 0;      // until all are connected
};

class Storm {
 public:
  explicit Storm(bool control) {
    cluster_.control = control;
    for (std::size_t process = 0; process < kProcesses; ++process) {
      const std::uint64_t first = cluster_.random();
      for (std::size_t worker = 0; worker < kWorkers; ++worker)
        lanes_.emplace_back(cluster_, gates_[process], Seat(first + worker));
    }
  }
  void start() {
    for (Lane& lane : lanes_) lane.attempt();
  }
  void run(std::uint64_t ms) { cluster_.clock.run_until(cluster_.clock.now() + ms); }
  void lose(std::size_t broker) {
    cluster_.brokers[broker].go_down();
    for (Lane& lane : lanes_) lane.lose(broker);
  }
  void come_back() {
    for (Broker& broker : cluster_.brokers) broker.come_up();
    begin();
  }
  // Where the others go on.
  void come_back_to(std::size_t broker) {
    cluster_.brokers[broker].come_up();
    for (Lane& lane : lanes_) lane.check_later();
    begin();
  }
  // Figures count from here.
  void begin() {
    began_ = cluster_.clock.now();
    cluster_.all_connected_at = 0;
    for (Broker& broker : cluster_.brokers) broker.begin();
  }
  std::size_t connected() const { return cluster_.connected; }
  int at(std::size_t broker) const {
    return static_cast<int>(std::count_if(lanes_.begin(), lanes_.end(),
                                          [&](const Lane& lane) { return lane.at() == broker; }));
  }
  Figures figures(const char* name) const {
    Figures all;
    for (const Broker& broker : cluster_.brokers) {
      all.attempts = std::max(all.attempts, broker.most_attempts());
      all.waiting = std::max(all.waiting, broker.most_waiting());
      all.refused += broker.refused();
    }
    all.ms = cluster_.all_connected_at - began_;
    std::cout << name << (cluster_.control ? ", control" : "") << ": at most " << all.attempts
              << " attempts a second at a broker, " << all.waiting << " waiting, " << all.refused
              << " beyond the backlog; all connected after " << all.ms << " ms\n";
    return all;
  }

 private:
  Cluster cluster_;
  std::vector<AttemptGate> gates_ = std::vector<AttemptGate>(kProcesses);
  std::deque<Lane> lanes_;
  std::uint64_t began_ = 0;
};

}  // namespace lsmtpd::sink::test
