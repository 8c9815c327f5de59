// SPDX-License-Identifier: Apache-2.0
#include "journal/body_writer.hpp"

#include <algorithm>
#include <cerrno>

#include "journal/crc32c.hpp"
#include "journal/random.hpp"
#include "threads.hpp"

namespace lsmtpd::journal {

void BodyWriter::start() {
  stopping_ = false;
  for (std::uint32_t i = 0; i < thread_count_; ++i)
    threads_.push_back(json_spool::quiet_thread("spool-bodies", [this] { run(); }));
}

void BodyWriter::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  queued_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

bool BodyWriter::submit(std::unique_ptr<MessageAppend>& append) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || queue_.size() >= kQueueMax) return false;
    queue_.push_back(std::move(append));
  }
  queued_.notify_one();
  return true;
}

std::unique_ptr<Append> BodyWriter::take_if(const std::function<bool(const Append&)>& wanted) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(queue_.begin(), queue_.end(),
                                  [&](const auto& append) { return wanted(*append); });
  if (found == queue_.end()) return nullptr;
  std::unique_ptr<Append> taken = std::move(*found);
  queue_.erase(found);
  return taken;
}

void BodyWriter::run() {
  for (;;) {
    std::unique_ptr<MessageAppend> append;
    {
      std::unique_lock lock(mutex_);
      queued_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      append = std::move(queue_.front());
      queue_.pop_front();
    }
    store(std::move(append));
  }
}

void BodyWriter::store(std::unique_ptr<MessageAppend> append) {
  const std::uint64_t number = random_number();
  const GroupWriter::Failure failure = write(*append, number);
  if (failure.error < 0) {
    failed_(failure);
    return append->answer(failure.error);
  }
  std::unique_ptr<Append> next = std::move(append);
  if (writer_.submit(next, true)) return;
  {
    const std::lock_guard lock(state_.mutex);
    next->give_up(state_, 0);
  }
  next->answer(-ECANCELED);
}

GroupWriter::Failure BodyWriter::write(MessageAppend& append, std::uint64_t number) {
  Files& files = files_.files();
  const std::string name = body_name(number);
  File file(files, files.open_new(files_.directory(), name.c_str()));
  if (!file) return {"cannot make a file", file.get()};
  std::int64_t error = 0;
  std::uint64_t size = 0;
  std::uint32_t crc = 0;
  const bool read = append.content([&](std::string_view piece) {
    error = write_all(files, file.get(), size, piece);
    size += piece.size();
    crc = crc32c(piece, crc);
    return error >= 0;
  });
  GroupWriter::Failure failure;
  if (error < 0) {
    failure = {"cannot write", error};
  } else if (!read || size != append.content_size()) {
    failure = {"cannot read the message", -EIO};
  } else if (const int synced = files.sync_data(file.get()); synced < 0) {
    failure = {"cannot fsync the file", synced};
  }
  if (const int closed = file.close(); closed < 0 && failure.error == 0)
    failure = {"cannot close the file", closed};
  if (failure.error < 0) {
    files.unlink(files_.directory(), name.c_str());
  } else {
    append.set_body({number, crc});
  }
  return failure;
}

}  // namespace lsmtpd::journal
