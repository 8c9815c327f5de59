// SPDX-License-Identifier: Apache-2.0
// One list that is ready for look-ups: a short one of text, held in memory, or one that
// `lsmtpd map` made, mapped from its file.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "image.hpp"
#include "rule_verdict.hpp"

namespace lsmtpd::access {

// A longer text is refused: while it is read again, both versions of it are in memory.
constexpr uint64_t kLargestText = 1024 * 1024;

// Tells one version of a file from another.
struct FileState {
  uint64_t device = 0, inode = 0, size = 0;
  int64_t modified_ns = 0, changed_ns = 0;
  bool operator==(const FileState&) const = default;
};
FileState state_of(const struct stat& status);

class Table {
 public:
  // Gives memory back when it is destroyed; empty: there is none.
  using Reserve = std::function<std::shared_ptr<void>(uint64_t bytes)>;

  // A file of either form. Null: `error` says why ("line 3: ..."). Blocks on the disk.
  static std::shared_ptr<const Table> load(const std::string& path, const Reserve& reserve,
                                           FileState& state, std::string& error);
  // The entries of an option.
  static std::shared_ptr<const Table> of_entries(const std::vector<std::string_view>& entries,
                                                 std::string& error);

  ~Table();
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  const Image& image() const { return image_; }
  // The verdict of value `number` of the image; null: the rule's.
  const Verdict* verdict(uint16_t number) const {
    return number == 0 || number >= verdicts_.size() ? nullptr : &verdicts_[number];
  }
  bool mapped() const { return mapping_ != nullptr; }
  uint64_t bytes() const { return mapped() ? mapped_size_ : text_image_.size(); }

 private:
  Table() = default;
  std::string load_text(int fd, uint64_t size, const Reserve& reserve);
  std::string load_mapped(int fd, uint64_t size);
  std::string take(std::string_view bytes);

  std::shared_ptr<void> reserved_;
  std::string text_image_;
  void* mapping_ = nullptr;
  uint64_t mapped_size_ = 0;
  Image image_;
  std::vector<Verdict> verdicts_;
};

}  // namespace lsmtpd::access
