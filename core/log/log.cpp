// SPDX-License-Identifier: Apache-2.0
#include "log/log.hpp"

#include <unistd.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <vector>

#include "base/text.hpp"
#include "log/hidden_addresses.hpp"
#include "log/line.hpp"
#include "log/sink.hpp"

namespace lsmtpd::log {
namespace {

// A thread's lines that go to the queue together.
constexpr size_t kPieceSize = 4u << 10;

struct Piece {
  std::mutex mutex;  // held by its thread and by close(); locked before the state's
  std::string text;
  bool waits = false;  // until the end of the thread's turn
};

Piece& this_threads() {
  thread_local Piece piece;
  return piece;
}

struct Backend {
  std::shared_ptr<Sink> sink;
  std::shared_ptr<spdlog::details::thread_pool> pool;
  std::shared_ptr<spdlog::async_logger> logger;
};

struct State {
  // Writers hold it shared while they queue a line, so that close() ends when none is left inside.
  std::shared_mutex mutex;
  std::unique_ptr<Backend> backend;
  uint64_t dropped_before_close = 0;
  std::atomic<Level> threshold{Level::info};
  std::atomic<bool> json{false};
  std::atomic<Addresses> addresses{Addresses::full};
  std::mutex waiting_mutex;  // taken before a piece's
  std::vector<Piece*> waiting;
};

// Never destroyed: a plugin's thread may still log while the process exits.
State& state() {
  static State* const kState = new State;
  return *kState;
}

std::unique_ptr<Backend> make_backend(const Options& options, UniqueFd fd) {
  auto made = std::make_unique<Backend>();
  made->sink = std::make_shared<Sink>(options.file, std::move(fd), options.json);
  // With room for the flush of reopen(), so that spdlog itself never drops anything.
  made->pool = std::make_shared<spdlog::details::thread_pool>(Sink::kQueueLength + 2, 1);
  made->logger = std::make_shared<spdlog::async_logger>(
      "lsmtpd", made->sink, made->pool, spdlog::async_overflow_policy::overrun_oldest);
  return made;
}

void write_to_stderr(std::string_view line) {
  while (!line.empty()) {
    const ssize_t n = ::write(STDERR_FILENO, line.data(), line.size());
    if (n <= 0) return;  // the failure can be reported nowhere
    line.remove_prefix(static_cast<size_t>(n));
  }
}

void queue_or_write(std::string& lines) {
  State& log = state();
  const std::shared_lock lock(log.mutex);
  if (!log.backend) {
    write_to_stderr(lines);
  } else if (log.backend->sink->has_room_for(lines)) {
    log.backend->logger->log(spdlog::log_clock::time_point{}, spdlog::source_loc{},
                             spdlog::level::info, spdlog::string_view_t(lines));
  }
  lines.clear();
}

void queue_what_waits() {
  const std::lock_guard lock(state().waiting_mutex);
  for (Piece* piece : state().waiting) {
    const std::lock_guard piece_lock(piece->mutex);
    if (!piece->text.empty()) queue_or_write(piece->text);
  }
}

void write_line(Level level, std::string_view message, std::span<const Field> fields) {
  Piece& piece = this_threads();
  const std::lock_guard lock(piece.mutex);
  const Line line{std::chrono::system_clock::now(), level, message, fields};
  if (state().json) {
    append_json(piece.text, line);
  } else {
    append_text(piece.text, line);
  }
  // An error may be the last line of this process.
  if (!piece.waits || level >= Level::error || piece.text.size() >= kPieceSize)
    queue_or_write(piece.text);
}

}  // namespace

Result<Level> parse_level(std::string_view name) {
  for (const Level level :
       {Level::trace, Level::debug, Level::info, Level::warn, Level::error, Level::off}) {
    if (name == level_name(level)) return level;
  }
  return fail("\"{}\" is not a log level; allowed: trace, debug, info, warn, error, off",
              escape_for_log(name));
}

Status open(const Options& options) {
  UniqueFd fd;
  if (!options.file.empty()) {
    auto opened = Sink::open_file(options.file);
    if (!opened) return tl::unexpected(opened.error());
    fd = std::move(*opened);
  }
  close();
  auto made = make_backend(options, std::move(fd));
  State& log = state();
  log.threshold = options.level;
  log.json = options.json;
  log.addresses = options.addresses;
  const std::unique_lock lock(log.mutex);
  log.backend = std::move(made);
  log.dropped_before_close = 0;
  return {};
}

void reopen() {
  State& log = state();
  const std::shared_lock lock(log.mutex);
  if (!log.backend) return;
  if (log.backend->sink->request_reopen()) log.backend->logger->flush();
}

void close() {
  queue_what_waits();
  State& log = state();
  std::unique_ptr<Backend> closing;
  {
    const std::unique_lock lock(log.mutex);
    closing = std::move(log.backend);
  }
  if (!closing) return;
  closing->sink->hurry();
  closing->pool.reset();  // writes out the queue and joins the log's thread
  closing->sink->write_batch();
  const std::unique_lock lock(log.mutex);
  log.dropped_before_close = closing->sink->lost();
}

uint64_t dropped() {
  State& log = state();
  const std::shared_lock lock(log.mutex);
  return log.backend ? log.backend->sink->lost() : log.dropped_before_close;
}

Level level() {
  return state().threshold;
}

void set_level(Level level) {
  state().threshold = level;
}

bool enabled(Level level) {
  return level != Level::off && level >= state().threshold;
}

void write(Level level, Event event, std::span<const Field> fields) {
  if (!enabled(level)) return;
  const Addresses addresses = state().addresses;
  if (addresses == Addresses::full) {
    write_line(level, event.text(), fields);
  } else {
    const HiddenAddresses hidden(fields, addresses);
    write_line(level, hide_addresses("", event.text(), addresses), hidden.fields());
  }
}

Turns::Turns() {
  const std::lock_guard lock(state().waiting_mutex);
  state().waiting.push_back(&this_threads());
  this_threads().waits = true;
}

Turns::~Turns() {
  end_turn();
  const std::lock_guard lock(state().waiting_mutex);
  std::erase(state().waiting, &this_threads());
  this_threads().waits = false;
}

void Turns::end_turn() {
  Piece& piece = this_threads();
  const std::lock_guard lock(piece.mutex);
  if (!piece.text.empty()) queue_or_write(piece.text);
}

}  // namespace lsmtpd::log
