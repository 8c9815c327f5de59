// SPDX-License-Identifier: Apache-2.0
#include "server/worker.hpp"

#include <csignal>
#include <future>

#include "log/log.hpp"

namespace lsmtpd::server {

Worker::Worker(uint32_t index, Shared& shared) : index_(index), shared_(shared) {
  // Signals belong to the main thread's loop.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] {
    log::Turns turns;
    loop_.each_turn([&turns] { turns.end_turn(); });
    loop_.run();
    loop_.each_turn(nullptr);
  });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Worker::~Worker() {
  stop();
}

void Worker::on_loop_and_wait(const std::function<void()>& function) {
  std::promise<void> done;
  loop_.post([&] {
    function();
    done.set_value();
  });
  done.get_future().wait();
}

Status Worker::start() {
  Status status;
  on_loop_and_wait([&] {
    status = open_lanes();
    if (!status) return;
    if (index_ == 0) make_replays();
    make_chains();
  });
  return status;
}

Status Worker::open_lanes() {
  for (const auto& [name, instance] : shared_.instances) {
    auto lane = instance->open_lane(loop_, index_);
    if (!lane) return tl::unexpected(lane.error());
    lanes_.emplace(name, std::move(*lane));
    ++lanes_open_;
  }
  return {};
}

void Worker::make_replays() {
  for (const auto& [name, instance] : shared_.instances) {
    const std::string& fallback = instance->settings().fallback;
    if (fallback.empty()) continue;
    auto& replay = shared_.replays[fallback];
    if (!replay) replay = std::make_unique<pipeline::Replay>(loop_, *lanes_.at(fallback));
    replay->add_output(*lanes_.at(name));
  }
  for (auto& [name, replay] : shared_.replays) replay->start();
}

void Worker::make_chains() {
  for (const auto& configured : shared_.settings.chains) {
    auto& chain = chains_[configured.name];
    chain.name = configured.name;
    chain.deadline_ms = configured.deadline;
    chain.deadlines = &loop_.deadlines();
    for (const auto& step : configured.steps) {
      plugin::Lane* lane = lanes_.at(step).get();
      const plugin::Instance& instance = lane->instance();
      if (instance.session()) chain.sessions.push_back(lane);
      if (instance.output()) {
        const std::string& fallback = instance.settings().fallback;
        pipeline::OutputStep output{lane, nullptr, nullptr};
        if (!fallback.empty()) {
          output.fallback = lanes_.at(fallback).get();
          output.replay = shared_.replays.at(fallback).get();
        }
        chain.outputs.push_back(output);
        continue;
      }
      if (instance.filter()) chain.filters.push_back(lane);
      if (instance.admission()) chain.admissions.push_back(lane);
    }
  }
}

Status Worker::listen(size_t listener, UniqueFd socket) {
  Status status;
  on_loop_and_wait([&] {
    const auto& settings = shared_.settings;
    const auto& entry = settings.listeners[listener];
    services_.push_back(std::make_unique<Service>(
        Service{settings.limits, settings.timeouts, entry, chains_.at(entry.chain), loop_,
                shared_.resources, shared_.peers, next_session_,
                [this](Connection& connection) { gone(connection); }}));
    const Service& service = *services_.back();
    auto opened = io::Listener::open(loop_, std::move(socket),
                                     [this, &service](std::unique_ptr<io::TcpStream> stream) {
                                       accept(service, std::move(stream));
                                     });
    if (opened) {
      listeners_.push_back(std::move(*opened));
    } else {
      status = tl::unexpected(opened.error());
    }
  });
  return status;
}

void Worker::accept(const Service& service, std::unique_ptr<io::TcpStream> stream) {
  const io::Endpoint address = stream->peer();
  auto [admission, peer] = shared_.peers.enter(address.address);
  if (admission != Peers::Admission::yes) {
    const auto& reply = peer ? smtp::replies::kTooManyFromPeer : smtp::replies::kTooManyConnections;
    auto& lines = peer ? peer->refusals : shared_.peers.refusals;
    if (const auto held_back = lines.admit(loop_.now_ms())) {
      log::warn("refused", {{"at", "connect"},
                            {"peer", address.text()},
                            {"listener", service.listener.name},
                            {"code", code_of(reply)},
                            {"why", reason_of(reply)},
                            {"held_back", *held_back}});
    }
    smtp::ReplyWriter writer;
    writer.write(reply);
    stream->write(writer.text());
    return;
  }
  auto connection = std::make_unique<Connection>(service, std::move(stream), std::move(peer));
  Connection& started = *connection;
  connections_.emplace(&started, std::move(connection));
  started.start();
}

void Worker::gone(Connection& connection) {
  connections_.erase(&connection);
  if (connections_.empty() && drained_) std::exchange(drained_, nullptr)();
}

void Worker::drain(io::Task done) {
  loop_.post([this, done = std::move(done)] {
    listeners_.clear();
    drained_ = done;
    std::vector<Connection*> all;
    for (auto& [connection, owner] : connections_) all.push_back(connection);
    for (auto* connection : all) connection->drain();
    if (connections_.empty() && drained_) std::exchange(drained_, nullptr)();
  });
}

void Worker::close_lanes(io::Task done, uint64_t ends_at_ms) {
  loop_.post([this, ends_at_ms, done = std::move(done)] {
    replays_left_ = index_ == 0 ? shared_.replays.size() : 0;
    if (replays_left_ == 0) close_each_lane(done, ends_at_ms);
    if (index_ != 0) return;
    for (auto& [name, replay] : shared_.replays) {
      replay->stop([this, ends_at_ms, done] {
        if (--replays_left_ == 0) close_each_lane(done, ends_at_ms);
      });
    }
  });
}

void Worker::close_each_lane(const io::Task& done, uint64_t ends_at_ms) {
  const uint64_t now = loop_.now_ms();
  const uint64_t left = ends_at_ms == 0 ? 0 : ends_at_ms > now ? ends_at_ms - now : 1;
  if (lanes_open_ == 0) done();
  for (auto& [name, lane] : lanes_) {
    lane->close(
        [this, done] {
          if (--lanes_open_ == 0) done();
        },
        left);
  }
}

void Worker::stop() {
  if (!thread_.joinable()) return;
  loop_.stop();
  thread_.join();
}

}  // namespace lsmtpd::server
