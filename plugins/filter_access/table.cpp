// SPDX-License-Identifier: Apache-2.0
#include "table.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "image_builder.hpp"
#include "list_text.hpp"

namespace lsmtpd::access {
namespace {

constexpr size_t kPiece = 64 * 1024;
// Keys, slots and ranges of an entry, beside its text.
constexpr uint64_t kMemoryOfText = 4;

std::string failure(const char* what) {
  return std::string(what) + ": " + std::strerror(errno);
}

class Descriptor {
 public:
  explicit Descriptor(const std::string& path)
      : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

// Up to `size` bytes; fewer at the end of the file.
bool read_at(int fd, uint64_t offset, size_t size, std::string& out) {
  out.resize(size);
  size_t done = 0;
  while (done < size) {
    const ssize_t count =
        pread(fd, out.data() + done, size - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  out.resize(done);
  return true;
}

// Reads the file instead of the mapping: no page of it is charged to the process for that.
std::string check_sum(int fd, const ImageHeader& header) {
  ImageChecksum checksum(header);
  std::string piece;
  for (uint64_t at = sizeof header; at < header.size; at += piece.size()) {
    if (!read_at(fd, at, kPiece, piece)) return failure("cannot read it");
    if (piece.empty() || piece.size() % 8 != 0) return "it was changed while it was read";
    checksum.add(piece);
  }
  return checksum.result() == header.checksum
             ? ""
             : "its checksum is wrong: make it again with lsmtpd map";
}

}  // namespace

FileState state_of(const struct stat& status) {
  const auto ns = [](const timespec& time) {
    return static_cast<int64_t>(time.tv_sec) * 1000000000 + time.tv_nsec;
  };
  return {static_cast<uint64_t>(status.st_dev), static_cast<uint64_t>(status.st_ino),
          static_cast<uint64_t>(status.st_size), ns(status.st_mtim), ns(status.st_ctim)};
}

Table::~Table() {
  if (mapping_ != nullptr) munmap(mapping_, mapped_size_);
}

std::string Table::take(std::string_view bytes) {
  std::string error = image_.open(bytes);
  if (!error.empty()) return error;
  verdicts_.resize(image_.header().value_count);
  for (size_t i = 1; i < verdicts_.size(); ++i) {
    error = parse_verdict(image_.value(static_cast<uint16_t>(i)), verdicts_[i]);
    if (!error.empty()) return error;
  }
  return {};
}

std::string Table::load_text(int fd, uint64_t size, const Reserve& reserve) {
  if (size > kLargestText)
    return "it has more than 1 MiB of text: make a mapped list of it with lsmtpd map";
  reserved_ = reserve(size * kMemoryOfText);
  if (!reserved_) return "there is no memory for it (limits.memory)";
  std::string text;
  if (!read_at(fd, 0, kLargestText + 1, text)) return failure("cannot read it");
  if (text.size() != size) return "it was changed while it was read";
  ImageBuilder builder;
  std::string error = read_list(text, builder);
  if (error.empty()) text_image_ = builder.finish(error);
  return error.empty() ? take(text_image_) : error;
}

std::string Table::load_mapped(int fd, uint64_t size) {
  std::string head;
  if (!read_at(fd, 0, sizeof(ImageHeader), head)) return failure("cannot read it");
  if (head.size() < sizeof(ImageHeader)) return "it is shorter than its header";
  ImageHeader header{};
  std::memcpy(&header, head.data(), sizeof header);
  if (header.version == kImageVersion && header.order == kImageOrder && header.size == size) {
    const std::string error = check_sum(fd, header);
    if (!error.empty()) return error;
  }
  void* mapping = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (mapping == MAP_FAILED) return failure("cannot map it");
  mapping_ = mapping;
  mapped_size_ = size;
  return take({static_cast<const char*>(mapping), size});
}

std::shared_ptr<const Table> Table::load(const std::string& path, const Reserve& reserve,
                                         FileState& state, std::string& error) {
  const Descriptor file(path);
  struct stat status {};
  if (file.fd() < 0 || fstat(file.fd(), &status) != 0) {
    error = std::strerror(errno);
    return nullptr;
  }
  state = state_of(status);
  if (!S_ISREG(status.st_mode)) {
    error = "is no file";
    return nullptr;
  }
  std::shared_ptr<Table> table(new Table);
  std::string magic;
  if (!read_at(file.fd(), 0, kImageMagic.size(), magic))
    error = failure("cannot read it");
  else if (magic == kImageMagic)
    error = table->load_mapped(file.fd(), state.size);
  else
    error = table->load_text(file.fd(), state.size, reserve);
  return error.empty() ? table : nullptr;
}

std::shared_ptr<const Table> Table::of_entries(const std::vector<std::string_view>& entries,
                                               std::string& error) {
  ImageBuilder builder;
  for (const std::string_view entry : entries) {
    const auto pattern = parse_pattern(entry, error);
    if (pattern) error = builder.add(*pattern, {});
    if (!error.empty()) return nullptr;
  }
  std::shared_ptr<Table> table(new Table);
  table->text_image_ = builder.finish(error);
  if (error.empty()) error = table->take(table->text_image_);
  return error.empty() ? table : nullptr;
}

}  // namespace lsmtpd::access
