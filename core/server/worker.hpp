// SPDX-License-Identifier: Apache-2.0
// One worker: a thread with its loop, its part of each generation (generation.hpp), its listeners
// and its connections.
//
// Order, from the main thread: construct, start() (opens the lanes, on the loop), listen(), ...
// drain(), close_lanes(), stop(), destroy. In between prepare() and adopt() put another generation
// in force. The parts of worker 0 that other workers use exist once it has prepared its own.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "io/loop.hpp"
#include "io/tcp_listener.hpp"
#include "message/resource_limits.hpp"
#include "metrics/registry.hpp"
#include "server/acceptor.hpp"
#include "server/connection.hpp"
#include "server/generation.hpp"
#include "server/peers.hpp"
#include "server/tls_room.hpp"
#include "server/worker_lanes.hpp"
#include "server/worker_report.hpp"

namespace lsmtpd::server {

// The parts that all workers share; outlives them.
struct Shared {
  message::ResourceLimits& resources;
  Peers& peers;
  metrics::Registry* metrics = nullptr;  // null: nothing is counted
  // [loop of a worker] Nobody on that worker uses its part of the generation any more.
  std::function<void(uint64_t generation, uint32_t worker)> part_gone = [](uint64_t, uint32_t) {};
  // [loop of a worker] A lane that no generation uses is closed and gone.
  std::function<void()> lane_gone = [] {};
  const io::TlsCertificates* certificates = nullptr;  // null: no listener has TLS
  TlsRoom* tls_room = nullptr;                        // the same
};

class Worker {
 public:
  using Prepared = std::function<void(Status)>;

  Worker(uint32_t index, Shared& shared);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // [main] each of these returns when it is done on the loop
  Status start(const std::shared_ptr<Generation>& generation);
  // `turns`: the other workers accept from the same socket; null: it is this one's own.
  Status listen(const std::string& address, UniqueFd socket,
                std::shared_ptr<io::AcceptTurns> turns = nullptr);
  // [main] `done` comes on the loop, once
  //
  // Opens the lanes that are new, and changes nothing else. Then one adopt() or one give_up(); the
  // part of a generation that was given up is gone too, and part_gone() comes, also where the error
  // came.
  // Worker 0's comes before all others'.
  void prepare(std::shared_ptr<Generation> generation, Prepared done);
  void adopt(io::Task done);
  void give_up(io::Task done);
  // [main] Of worker 0: how many stored copies wait for each of `outputs`, in that order; nothing
  // where that cannot be found out. `done` comes on the loop.
  struct Waiting {
    pipeline::Replay* replay;  // of the generation in force
    std::string output;
  };
  using Counted = std::function<void(std::vector<std::optional<uint64_t>>)>;
  static constexpr uint64_t kMostCounted = 1'000'000;
  void count_waiting(std::vector<Waiting> outputs, Counted done);
  // [main] The other workers have no part of the generation any more: worker 0, which has the
  // replays, may drop its own.
  void release(uint64_t generation);

  // [main] `answer` runs on the loop: it turns.
  void ping(io::Task answer) { loop_.post(std::move(answer)); }
  // [main] Sessions of that generation and older ones must not keep it: see Connection::leave().
  void leave(uint64_t generation);

  void drain(io::Task done);    // no new connections; transactions under way finish
  void cut_off(io::Task done);  // the drain has no more time: filters are cancelled
  // After drain. `ends_at_ms`: until when the process waits, by io::Loop::now_ms(); 0: without an
  // end.
  void close_lanes(io::Task done, uint64_t ends_at_ms = 0);
  void stop();  // ends the thread

  std::shared_ptr<const Heartbeat> heartbeat() const { return loop_.heartbeat(); }  // [any]
  // [any] What it tells of itself each second.
  const std::shared_ptr<ReportBoard>& reports() const { return reports_; }

  // worker_orders.cpp: an operator's orders. [main] `done` comes on the loop, once
  //
  // The outputs named so, all where it is empty, or on worker 0 a message by its copy's id, are
  // tried again without a pause. `found`: how many there are.
  void retry_now(const std::string& selection, std::function<void(size_t found)> done);
  // Sessions that are there and those that come, until end_trace().
  void begin_trace(std::shared_ptr<const Trace> trace);
  void end_trace(std::shared_ptr<const Trace> trace);
  // At most `most` of them; `total` is how many there are.
  using Sessions = std::function<void(std::vector<SessionInfo> sessions, size_t total)>;
  void list_sessions(size_t most, Sessions done);

 private:
  static constexpr uint64_t kReportMs = 1000;
  // Where clients connect to: the sockets stay while the address does, whatever else changes.
  struct Listening {
    std::shared_ptr<const Service> service;  // of the newest generation
    std::vector<std::unique_ptr<io::Listener>> sockets;
  };

  void on_loop_and_wait(const std::function<void()>& function);
  Status make_part(const std::shared_ptr<Generation>& generation);
  void make_services(WorkerGeneration& part);
  void adopt_prepared();
  void end_listening(const Listening& listening);
  void offer_services();
  void offer_service(Connection& connection);
  std::vector<Connection*> all_connections() const;
  void forget(const std::shared_ptr<const WorkerGeneration>& part);
  void serve(const std::shared_ptr<const Service>& service, std::unique_ptr<io::Stream> stream,
             std::shared_ptr<Peer> peer, Origin origin);
  void gone(Connection& connection);
  void report();

  const uint32_t index_;
  Shared& shared_;
  bool ended_ = false;  // the loop runs no more
  io::Loop loop_;
  std::unique_ptr<TlsService> tls_;
  WorkerLanes lanes_;
  // Of worker 0: its parts of the generations before, until the other workers have theirs no more.
  std::map<uint64_t, std::shared_ptr<WorkerGeneration>> kept_;
  std::shared_ptr<WorkerGeneration> current_, prepared_;
  std::map<std::string, Listening> listening_;  // by address
  std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
  Acceptor acceptor_;
  uint64_t next_session_ = 1;
  Traces traces_;
  const std::shared_ptr<ReportBoard> reports_ = std::make_shared<ReportBoard>();
  std::unique_ptr<io::Timer> report_timer_;
  io::Task drained_;
  std::thread thread_;
};

}  // namespace lsmtpd::server
