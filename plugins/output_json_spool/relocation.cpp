// SPDX-License-Identifier: Apache-2.0
#include "relocation.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include "file_names.hpp"

namespace lsmtpd::json_spool {
namespace {

constexpr std::size_t kBuffer = 256 * 1024;

std::string next_temporary() {
  static std::uint64_t counter = 0;
  return "moved-" + std::to_string(::getpid()) + "-" + std::to_string(counter++);
}

bool cannot_link(int error) {
  return error == -EXDEV || error == -EPERM || error == -EMLINK || error == -EOPNOTSUPP;
}

std::string trouble(const char* what, std::int64_t error) {
  return std::string(what) + ": " + error_text(error);
}

}  // namespace

Relocation::Relocation(Files& files, const Directory& from, const Directory& to, Settings settings,
                       Told told)
    : files_(files),
      from_(files, from),
      to_(files, to),
      target_(to),
      reader_(files, from),
      settings_(settings),
      told_(std::move(told)) {}

void Relocation::add(const CopyKey& key) {
  batch_.push_back(stage(key));
  if (batch_.size() >= kBatch || batch_bytes_ >= kBatchBytes) finish();
}

// Returns the fault of a message that waits; empty: none.
std::string Relocation::fault_of(const CopyKey& key) {
  const auto done = reader_.content(key, [](std::string_view) { return true; });
  return done ? "" : done.error();
}

Relocation::Piece Relocation::stage(const CopyKey& key) {
  Piece piece;
  piece.key = key;
  const std::string name = file_name(key.id);
  const File source(files_, files_.open_existing(from_.folder(key.state), name.c_str()));
  FileInfo info;
  if (!source || files_.info(source.get(), info) < 0 || !info.regular) {
    piece.problem = source ? "it is no regular file" : "it is gone, or cannot be opened";
    return piece;
  }
  if (settings_.check && key.state == State::waiting) piece.problem = fault_of(key);
  if (!piece.problem.empty()) return piece;
  if (settings_.link) {
    const int error =
        files_.link(from_.folder(key.state), name.c_str(), to_.folder(key.state), name.c_str());
    if (error == -EEXIST) settle_taken_name(piece);
    if (error < 0 && error != -EEXIST && !cannot_link(error))
      piece.problem = trouble("cannot link it", error);
    if (error >= 0 || !cannot_link(error)) {
      take_reason(piece);
      return piece;
    }
  }
  stage_copy(piece, source.get(), info);
  take_reason(piece);
  return piece;
}

void Relocation::stage_copy(Piece& piece, int source, const FileInfo& info) {
  piece.temporary = next_temporary();
  const int fd = files_.open_new(target_.temporary(), piece.temporary.c_str());
  if (fd < 0) {
    piece.problem = trouble("cannot make a file", fd);
    piece.temporary.clear();
    return;
  }
  piece.file = File(files_, fd);
  files_.give_to_owner(fd, target_.messages());
  if (info.marked) files_.mark(fd);
  piece.problem = copy_all(source, fd);
  if (!settings_.new_time) files_.set_time(fd, info.changed_ns);
  files_.start_writeback(fd);
  batch_bytes_ += info.size;
}

std::string Relocation::copy_all(int source, int target) {
  const auto buffer = std::make_unique_for_overwrite<char[]>(kBuffer);
  for (std::uint64_t offset = 0;;) {
    const std::int64_t got = files_.read_at(source, offset, buffer.get(), kBuffer);
    if (got < 0) return trouble("cannot read it", got);
    if (got == 0) return "";
    offset += static_cast<std::uint64_t>(got);
    for (std::string_view rest(buffer.get(), static_cast<std::size_t>(got)); !rest.empty();) {
      const std::int64_t count = files_.write(target, rest.data(), rest.size());
      if (count <= 0) return trouble("cannot write it", count < 0 ? count : -EIO);
      rest.remove_prefix(static_cast<std::size_t>(count));
    }
  }
}

// The reason of a dead letter, before the letter itself.
void Relocation::take_reason(Piece& piece) {
  if (piece.key.state != State::dead || !piece.problem.empty()) return;
  const std::string name = reason_name(piece.key.id);
  const File source(files_, files_.open_existing(from_.folder(State::dead), name.c_str()));
  if (!source) return;
  const int fd = files_.open_new(to_.folder(State::dead), name.c_str());
  if (fd < 0) return;  // it is there already
  File copy(files_, fd);
  files_.give_to_owner(fd, target_.messages());
  piece.problem = copy_all(source.get(), fd);
  const bool kept = files_.sync_data(fd) >= 0 && copy.close() >= 0;
  if (!kept && piece.problem.empty()) piece.problem = "cannot sync its reason";
}

void Relocation::publish(Piece& piece) {
  if (!piece.file || !piece.problem.empty()) return;
  const int synced = files_.sync_data(piece.file.get());
  const int closed = piece.file.close();
  if (synced < 0 || closed < 0) {
    piece.problem = synced < 0 ? trouble("cannot fsync the file", synced)
                               : trouble("cannot close the file", closed);
    return;
  }
  const int error = files_.rename_new(target_.temporary(), piece.temporary.c_str(),
                                      to_.folder(piece.key.state), file_name(piece.key.id).c_str());
  if (error >= 0) {
    piece.temporary.clear();
  } else if (error == -EEXIST) {
    settle_taken_name(piece);
  } else {
    piece.problem = trouble("cannot rename the file", error);
  }
}

// An earlier run ended between the two steps, or it is another message.
void Relocation::settle_taken_name(Piece& piece) {
  if (!same_content(piece.key)) piece.problem = "another message of this ID is there already";
}

bool Relocation::same_content(const CopyKey& key) {
  const std::string name = file_name(key.id);
  const File one(files_, files_.open_existing(from_.folder(key.state), name.c_str()));
  const File two(files_, files_.open_existing(to_.folder(key.state), name.c_str()));
  if (!one || !two) return false;
  std::array<char, 8192> first, second;
  for (std::uint64_t offset = 0;;) {
    const auto got = files_.read_at(one.get(), offset, first.data(), first.size());
    const auto also = files_.read_at(two.get(), offset, second.data(), second.size());
    if (got < 0 || got != also) return false;
    if (got == 0) return true;
    if (!std::equal(first.begin(), first.begin() + got, second.begin())) return false;
    offset += static_cast<std::uint64_t>(got);
  }
}

void Relocation::finish() {
  std::array<bool, std::size(kStates)> used{};
  for (Piece& piece : batch_) {
    publish(piece);
    if (!piece.temporary.empty()) files_.unlink(target_.temporary(), piece.temporary.c_str());
    if (piece.problem.empty()) used[static_cast<std::size_t>(piece.key.state)] = true;
  }
  std::array<int, std::size(kStates)> synced{};
  for (const State state : kStates) {
    const auto at = static_cast<std::size_t>(state);
    if (used[at]) synced[at] = files_.make_names_durable(to_.folder(state));
  }
  for (Piece& piece : batch_) {
    const int error = synced[static_cast<std::size_t>(piece.key.state)];
    if (piece.problem.empty() && error < 0)
      piece.problem = trouble("cannot fsync the directory", error);
    if (piece.problem.empty()) {
      const int removed = reader_.remove(piece.key);
      if (removed < 0 && removed != -ENOENT)
        piece.problem = trouble("it is at its new place, and cannot be removed", removed);
    }
    told_(piece.key, piece.problem);
  }
  batch_.clear();
  batch_bytes_ = 0;
}

}  // namespace lsmtpd::json_spool
