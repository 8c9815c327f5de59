// SPDX-License-Identifier: Apache-2.0
// lsmtpd SDK: Host, the functions of the daemon for an instance and a lane, from any thread: names,
// the log, memory. LaneHost in loop.hpp adds the event loop. Copies are cheap; valid until the
// instance is destroyed.
#pragma once

#include <initializer_list>

#include "call.hpp"
#include "message.hpp"
#include "metrics.hpp"

namespace lsmtpd::sdk {

// Bytes reserved from the process's budget; the destructor releases them. Move-only. [any] It must
// not outlive its host: reserve on the instance's host if it may live longer than a lane.
class Reservation {
 public:
  Reservation() noexcept = default;
  Reservation(const lsmtpd_host* host, const lsmtpd_memory_1* table, uint64_t bytes) noexcept
      : host_(host), table_(table), bytes_(bytes) {}
  Reservation(Reservation&& other) noexcept
      : host_(std::exchange(other.host_, nullptr)),
        table_(other.table_),
        bytes_(std::exchange(other.bytes_, 0)) {}
  Reservation& operator=(Reservation&& other) noexcept {
    if (this != &other) {
      release();
      host_ = std::exchange(other.host_, nullptr);
      table_ = other.table_;
      bytes_ = std::exchange(other.bytes_, 0);
    }
    return *this;
  }
  ~Reservation() { release(); }

  // False: the budget is used up; wait or answer "tempfail".
  explicit operator bool() const noexcept { return host_ != nullptr; }
  uint64_t bytes() const noexcept { return bytes_; }
  void release() noexcept {
    if (host_ != nullptr && table_ != nullptr && bytes_ != 0) table_->release(host_, bytes_);
    host_ = nullptr;
    bytes_ = 0;
  }

 private:
  const lsmtpd_host* host_ = nullptr;
  const lsmtpd_memory_1* table_ = nullptr;
  uint64_t bytes_ = 0;
};

class Host {
 public:
  explicit Host(const lsmtpd_host* raw) noexcept
      : raw_(raw),
        log_(find<lsmtpd_log_1>(LSMTPD_LOG)),
        memory_(find<lsmtpd_memory_1>(LSMTPD_MEMORY)),
        metrics_(find<lsmtpd_metrics_1>(LSMTPD_METRICS)),
        message_{find<lsmtpd_message_1>(LSMTPD_MESSAGE),
                 find<lsmtpd_annotations_1>(LSMTPD_ANNOTATIONS),
                 find<lsmtpd_header_1>(LSMTPD_HEADER), find<lsmtpd_edits_1>(LSMTPD_EDITS)} {}

  std::string_view name() const { return view(raw_->name); }          // NAME of [plugin.NAME]
  std::string_view hostname() const { return view(raw_->hostname); }  // server.hostname
  std::string_view version() const { return view(raw_->version); }    // of the daemon
  uint32_t worker() const { return raw_->worker; }
  uint32_t workers() const { return raw_->workers; }

  // One line of the daemon's log; never blocks. `message` is fixed text, values go into fields:
  //     host.warn("broker is gone", {{"url", url}, {"attempt", 3}});
  void log(uint32_t level, std::string_view message,
           std::initializer_list<Field> fields = {}) const {
    if (log_ == nullptr || log_->enabled(raw_, level) == 0) return;
    lsmtpd_log_field raw[16];
    uint32_t count = 0;
    for (const Field& field : fields)
      if (count < 16) raw[count++] = field.raw();
    log_->write(raw_, level, str(message), raw, sizeof raw[0], count);
  }
  void debug(std::string_view message, std::initializer_list<Field> fields = {}) const {
    log(LSMTPD_LOG_DEBUG, message, fields);
  }
  void info(std::string_view message, std::initializer_list<Field> fields = {}) const {
    log(LSMTPD_LOG_INFO, message, fields);
  }
  void warn(std::string_view message, std::initializer_list<Field> fields = {}) const {
    log(LSMTPD_LOG_WARN, message, fields);
  }
  void error(std::string_view message, std::initializer_list<Field> fields = {}) const {
    log(LSMTPD_LOG_ERROR, message, fields);
  }
  bool log_enabled(uint32_t level) const {
    return log_ != nullptr && log_->enabled(raw_, level) != 0;
  }

  // Reserve memory for messages beyond a few KiB before you use it. An empty Reservation: the
  // budget is used up.
  Reservation reserve(uint64_t bytes) const {
    if (memory_ != nullptr && memory_->reserve(raw_, bytes) != 0) return {};
    return Reservation(raw_, memory_, bytes);
  }

  // Bytes of the whole budget (limits.memory).
  uint64_t memory_limit() const { return memory_ == nullptr ? 0 : memory_->limit(raw_); }
  // Metrics (metrics.hpp): "lsmtpd_" goes before the name, and plugin="NAME" before the labels.
  // Made once, not on a message's way.
  Counter counter(std::string_view metric_name, std::string_view help,
                  std::initializer_list<MetricLabel> labels = {}) const {
    return declare<Counter>(LSMTPD_METRIC_COUNTER, metric_name, help, labels);
  }
  Gauge gauge(std::string_view metric_name, std::string_view help,
              std::initializer_list<MetricLabel> labels = {},
              Combine combine = Combine::sum) const {
    return declare<Gauge>(LSMTPD_METRIC_GAUGE, metric_name, help, labels, {}, combine);
  }
  Histogram histogram(std::string_view metric_name, std::string_view help,
                      std::initializer_list<double> bounds,
                      std::initializer_list<MetricLabel> labels = {}) const {
    return declare<Histogram>(LSMTPD_METRIC_HISTOGRAM, metric_name, help, labels, bounds);
  }

  // The annotations of a session, from the event of a SessionFilter.
  Annotations annotations(const lsmtpd_session_event& event) const noexcept {
    return {message_.annotations, event.annotations};
  }

  const lsmtpd_host* raw() const noexcept { return raw_; }
  const lsmtpd_message_1* message_table() const noexcept { return message_.message; }
  const MessageTables& message_tables() const noexcept { return message_; }

 protected:
  template <class Table>
  const Table* find(const char* id) const noexcept {
    return static_cast<const Table*>(raw_->get_extension(raw_, id));
  }

  const lsmtpd_host* raw_;

 private:
  template <class Made>
  Made declare(uint32_t type, std::string_view metric_name, std::string_view help,
               std::initializer_list<MetricLabel> labels, std::initializer_list<double> bounds = {},
               Combine combine = Combine::sum) const {
    if (metrics_ == nullptr) return {};
    lsmtpd_metric_label raw[LSMTPD_METRIC_LABELS] = {};
    uint32_t count = 0;
    for (const MetricLabel& label : labels)
      if (count < LSMTPD_METRIC_LABELS) raw[count++] = {str(label.name), str(label.value)};
    lsmtpd_metric_info info{};
    info.size = sizeof info;
    info.type = type;
    info.combine = static_cast<uint32_t>(combine);
    info.label_count = count;
    info.label_stride = sizeof(lsmtpd_metric_label);
    info.name = str(metric_name);
    info.help = str(help);
    info.labels = raw;
    info.bounds = bounds.begin();
    info.bound_count = static_cast<uint32_t>(bounds.size());
    return Made(metrics_, metrics_->declare(raw_, &info));
  }

  const lsmtpd_log_1* log_;
  const lsmtpd_memory_1* memory_;
  const lsmtpd_metrics_1* metrics_;
  MessageTables message_;
};

}  // namespace lsmtpd::sdk
