// SPDX-License-Identifier: Apache-2.0
#include "plugin/host_tables.hpp"

#include <algorithm>
#include <cstring>

#include "log/log.hpp"
#include "plugin/annotation_edits.hpp"
#include "plugin/verdict.hpp"
#include "plugin/view.hpp"

namespace lsmtpd::plugin {

namespace {

log::Level level_of(uint32_t level) {
  switch (level) {
    case LSMTPD_LOG_DEBUG:
      return log::Level::debug;
    case LSMTPD_LOG_INFO:
      return log::Level::info;
    case LSMTPD_LOG_WARN:
      return log::Level::warn;
    default:
      return log::Level::error;
  }
}

int32_t reserve(const lsmtpd_host* host, uint64_t bytes) {
  const auto& self = *static_cast<HostSelf*>(host->self);
  if (!self.process->resources.memory.reserve(bytes)) return -1;
  *self.reserved += bytes;
  return 0;
}

// Memory that was never reserved is not released: the budget would count below nothing, and refuse
// all.
void release(const lsmtpd_host* host, uint64_t bytes) {
  const auto& self = *static_cast<HostSelf*>(host->self);
  uint64_t held = *self.reserved;
  while (!self.reserved->compare_exchange_weak(held, held - std::min(held, bytes))) {
  }
  self.process->resources.memory.release(std::min(held, bytes));
  if (bytes > held) {
    self.mistakes->note(view(host->name), "memory_released_twice", "release",
                        "the plugin released more memory than it had reserved");
  }
}

uint64_t limit(const lsmtpd_host* host) {
  return static_cast<HostSelf*>(host->self)->process->resources.memory.limit();
}

void write_log(const lsmtpd_host* host, uint32_t level, lsmtpd_str message,
               const lsmtpd_log_field* fields, uint32_t stride, uint32_t count) {
  constexpr uint32_t kMost = 32;
  std::vector<log::Field> all;
  all.reserve(count + 1);
  all.push_back({"plugin", view(host->name)});
  const char* at = reinterpret_cast<const char*>(fields);
  if (stride < sizeof(lsmtpd_log_field)) count = 0;
  for (uint32_t i = 0; i < count && i < kMost; ++i, at += stride) {
    const auto& field = *reinterpret_cast<const lsmtpd_log_field*>(at);
    all.emplace_back(log::Key::foreign(view(field.key)), view(field.value));
  }
  log::write(level_of(level), log::Event::foreign(view(message)), all);
}

}  // namespace

const void* message_extension(const char* id) {
  if (std::strcmp(id, LSMTPD_MESSAGE) == 0) return &View::kMessageTable;
  if (std::strcmp(id, LSMTPD_ANNOTATIONS) == 0) return &kAnnotationsTable;
  if (std::strcmp(id, LSMTPD_EDITS) == 0) return &View::kEditsTable;
  if (std::strcmp(id, LSMTPD_HEADER) == 0) return &View::kHeaderTable;
  return nullptr;
}

const lsmtpd_log_1 kLogTable = {.enabled = [](const lsmtpd_host*, uint32_t level) -> uint32_t {
                                  return log::enabled(level_of(level));
                                },
                                .write = write_log};

const lsmtpd_memory_1 kMemoryTable = {.reserve = reserve, .release = release, .limit = limit};

const void* instance_extension(const lsmtpd_host*, const char* id) {
  if (std::strcmp(id, LSMTPD_LOG) == 0) return &kLogTable;
  if (std::strcmp(id, LSMTPD_MEMORY) == 0) return &kMemoryTable;
  if (std::strcmp(id, LSMTPD_METRICS) == 0) return &kMetricsTable;
  return message_extension(id);
}

}  // namespace lsmtpd::plugin
