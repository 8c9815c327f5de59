// SPDX-License-Identifier: Apache-2.0
#include "server/worker.hpp"

#include <csignal>
#include <future>

#include "log/log.hpp"

namespace lsmtpd::server {

Worker::Worker(uint32_t index, Shared& shared)
    : index_(index),
      shared_(shared),
      lanes_(loop_, index, [&shared] { shared.lane_gone(); }),
      acceptor_(loop_, shared.peers, [this](auto&& service, auto stream, auto peer, auto origin) {
        serve(service, std::move(stream), std::move(peer), std::move(origin));
      }) {
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

Status Worker::start(const std::shared_ptr<Generation>& generation) {
  Status status;
  on_loop_and_wait([&] {
    status = make_part(generation);
    if (!status) return;
    adopt_prepared();
    report_timer_ = std::make_unique<io::Timer>(loop_, [this] { report(); });
    report_timer_->start(kReportMs, kReportMs);
  });
  return status;
}

void Worker::prepare(std::shared_ptr<Generation> generation, Prepared done) {
  loop_.post([this, generation = std::move(generation), done = std::move(done)] {
    done(make_part(generation));
  });
}

Status Worker::make_part(const std::shared_ptr<Generation>& generation) {
  prepared_ = std::shared_ptr<WorkerGeneration>(new WorkerGeneration, [this](WorkerGeneration* p) {
    const std::shared_ptr<const WorkerGeneration> part(p);
    // Not ended here: the last session may be on its way out.
    if (!ended_) loop_.post([this, part] { forget(part); });
  });
  prepared_->common = generation;
  if (auto status = lanes_.open(*generation, *prepared_); !status) {
    prepared_ = nullptr;
    return status;
  }
  make_services(*prepared_);
  return {};
}

void Worker::make_services(WorkerGeneration& part) {
  const auto& settings = part.common->settings;
  if (shared_.tls_room && !tls_)
    tls_ = std::make_unique<TlsService>(loop_, *shared_.tls_room, *shared_.certificates);
  for (const auto& listener : settings.listeners) {
    part.services.emplace(
        listener.address,
        Service{part.common->number, settings.limits, settings.timeouts, listener,
                part.chains.at(listener.chain),
                listener.auth_plugin.empty() ? nullptr : part.lanes.at(listener.auth_plugin).get(),
                loop_, shared_.resources, shared_.peers, next_session_,
                [this](Connection& connection) { gone(connection); }, tls_.get(),
                shared_.metrics
                    ? ListenerMetrics(*shared_.metrics, listener.name, listener.chain, index_)
                    : ListenerMetrics(),
                &traces_});
  }
}

void Worker::adopt(io::Task done) {
  loop_.post([this, done = std::move(done)] {
    adopt_prepared();
    done();
  });
}

void Worker::give_up(io::Task done) {
  loop_.post([this, done = std::move(done)] {
    prepared_ = nullptr;
    done();
  });
}

void Worker::adopt_prepared() {
  if (current_ && index_ == 0) kept_[current_->common->number] = current_;
  current_ = std::move(prepared_);
  if (index_ == 0) lanes_.start_replays(*current_);
  for (auto& [address, listening] : listening_) {
    const auto service = current_->services.find(address);
    if (service != current_->services.end()) listening.service = {current_, &service->second};
  }
  std::erase_if(listening_, [this](const auto& entry) {
    if (current_->services.contains(entry.first)) return false;
    end_listening(entry.second);
    return true;
  });
  offer_services();
  report();
}

// Clients that have connected already are served.
void Worker::end_listening(const Listening& listening) {
  for (const auto& socket : listening.sockets) socket->accept_rest();
}

void Worker::offer_services() {
  for (auto* connection : all_connections()) offer_service(*connection);
}

void Worker::offer_service(Connection& connection) {
  const auto service = current_->services.find(connection.address());
  const bool there = service != current_->services.end();
  connection.offer(there ? std::shared_ptr<const Service>(current_, &service->second) : nullptr);
}

std::vector<Connection*> Worker::all_connections() const {
  std::vector<Connection*> all;
  all.reserve(connections_.size());
  for (const auto& [connection, owner] : connections_) all.push_back(connection);
  return all;
}

void Worker::leave(uint64_t generation) {
  loop_.post([this, generation] {
    for (auto* connection : all_connections()) {
      if (connection->generation() <= generation) connection->leave();
    }
  });
}

void Worker::count_waiting(std::vector<Waiting> outputs, Counted done) {
  loop_.post([outputs = std::move(outputs), done = std::move(done)] {
    struct Counts {
      std::vector<std::optional<uint64_t>> all;
      size_t left;
    };
    const auto counts = std::make_shared<Counts>(
        Counts{std::vector<std::optional<uint64_t>>(outputs.size()), outputs.size()});
    for (size_t i = 0; i < outputs.size(); ++i) {
      outputs[i].replay->count(outputs[i].output, kMostCounted,
                               [counts, done, i](std::optional<uint64_t> count) {
                                 counts->all[i] = count;
                                 if (--counts->left == 0) done(counts->all);
                               });
    }
  });
}

void Worker::release(uint64_t generation) {
  loop_.post([this, generation] { kept_.erase(generation); });
}

void Worker::forget(const std::shared_ptr<const WorkerGeneration>& part) {
  if (index_ == 0) lanes_.end_replays(*part);
  shared_.part_gone(part->common->number, index_);
}

Status Worker::listen(const std::string& address, UniqueFd socket,
                      std::shared_ptr<io::AcceptTurns> turns) {
  Status status;
  on_loop_and_wait([&] {
    auto& listening = listening_[address];
    listening.service = {current_, &current_->services.at(address)};
    const auto accepted = [this, &listening](std::unique_ptr<io::TcpStream> stream) {
      acceptor_.accept(listening.service, std::move(stream));
    };
    auto opened =
        turns ? io::Listener::open_shared(loop_, std::move(socket), std::move(turns), accepted)
              : io::Listener::open(loop_, std::move(socket), accepted);
    if (opened) {
      listening.sockets.push_back(std::move(*opened));
    } else {
      status = tl::unexpected(opened.error());
    }
  });
  return status;
}

void Worker::serve(const std::shared_ptr<const Service>& service,
                   std::unique_ptr<io::Stream> stream, std::shared_ptr<Peer> peer, Origin origin) {
  auto connection =
      std::make_unique<Connection>(service, std::move(stream), std::move(peer), std::move(origin));
  Connection& started = *connection;
  connections_.emplace(&started, std::move(connection));
  // Its PROXY header may have come after a reload.
  if (service->generation != current_->common->number) offer_service(started);
  started.start();
}

void Worker::gone(Connection& connection) {
  connections_.erase(&connection);
  if (connections_.empty() && drained_) std::exchange(drained_, nullptr)();
}

void Worker::drain(io::Task done) {
  loop_.post([this, done = std::move(done)] {
    for (auto& [address, listening] : listening_) end_listening(listening);
    listening_.clear();
    acceptor_.drop_waiting();
    drained_ = done;
    for (auto* connection : all_connections()) connection->drain();
    if (connections_.empty() && drained_) std::exchange(drained_, nullptr)();
  });
}

void Worker::cut_off(io::Task done) {
  loop_.post([this, done = std::move(done)] {
    std::vector<Connection*> all;
    for (auto& [connection, owner] : connections_) all.push_back(connection);
    for (auto* connection : all) connection->cut_off();
    done();
  });
}

void Worker::close_lanes(io::Task done, uint64_t ends_at_ms) {
  loop_.post([this, ends_at_ms, done = std::move(done)] { lanes_.close_all(done, ends_at_ms); });
}

void Worker::stop() {
  if (!thread_.joinable()) return;
  loop_.stop();
  thread_.join();
  ended_ = true;
  lanes_.loop_ended();
}

}  // namespace lsmtpd::server
