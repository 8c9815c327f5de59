// SPDX-License-Identifier: Apache-2.0
// Calls every function of the host's tables and says what each returned, a line each, as the detail
// of its verdict: the daemon and the fake host must give the same answers.
#include <fcntl.h>
#include <lsmtpd/lsmtpd.h>
#include <unistd.h>

#include <cstring>
#include <string>

namespace {

lsmtpd_str str(std::string_view text) {
  return {text.data(), text.size()};
}

struct Lane {
  lsmtpd_lane raw;
  const lsmtpd_host* host;
};

template <class Table>
const Table* table(const lsmtpd_host* host, const char* id) {
  return static_cast<const Table*>(host->get_extension(host, id));
}

class Report {
 public:
  void number(const char* what, int64_t value) {
    text_ += std::string(what) + "=" + std::to_string(value) + "\n";
  }
  void text(const char* what, lsmtpd_str value) {
    text_ += std::string(what) + "=\"";
    text_.append(value.data, value.size);
    text_ += "\"\n";
  }
  const std::string& all() const { return text_; }

 private:
  std::string text_;
};

void hosts(const lsmtpd_host* host, Report& report) {
  report.number("host.size", host->size);
  report.number("host.worker", host->worker);
  for (const char* id : {LSMTPD_LOG, LSMTPD_MEMORY, LSMTPD_MESSAGE, LSMTPD_ANNOTATIONS,
                         LSMTPD_EDITS, LSMTPD_HEADER, LSMTPD_LOOP, LSMTPD_DNS, LSMTPD_METRICS,
                         LSMTPD_REPLAY_HOST, LSMTPD_MAKING, "no.such.table/1"})
    report.number(id, host->get_extension(host, id) != nullptr);
}

void memory(const lsmtpd_host* host, Report& report) {
  const auto* m = table<lsmtpd_memory_1>(host, LSMTPD_MEMORY);
  report.number("reserve", m->reserve(host, 1000));
  report.number("reserve too much", m->reserve(host, 1ull << 40));
  m->release(host, 1000);
  report.number("limit", static_cast<int64_t>(m->limit(host)));
}

void log(const lsmtpd_host* host, Report& report) {
  const auto* t = table<lsmtpd_log_1>(host, LSMTPD_LOG);
  report.number("errors are logged", t->enabled(host, LSMTPD_LOG_ERROR));
}

// Its labels stand in rows that are longer than a label, as in a later version of the ABI.
void metrics(const lsmtpd_host* host, Report& report) {
  const auto* t = table<lsmtpd_metrics_1>(host, LSMTPD_METRICS);
  struct Row {
    lsmtpd_metric_label label;
    uint64_t later;
  };
  const Row rows[] = {{{str("kind"), str("a")}, ~uint64_t{0}}, {{str("way"), str("b")}, 1}};
  const double bounds[] = {1, 2};
  lsmtpd_metric_info info{};
  info.size = sizeof info;
  info.help = str("Help.");
  info.labels = &rows[0].label;
  info.label_count = 2;
  info.label_stride = sizeof(Row);
  info.type = LSMTPD_METRIC_COUNTER;
  info.name = str("both_total");
  lsmtpd_metric* counter = t->declare(host, &info);
  report.number("declare", counter != nullptr);
  report.number("declare again", t->declare(host, &info) == counter);
  info.type = LSMTPD_METRIC_GAUGE;
  info.name = str("both_now");
  lsmtpd_metric* gauge = t->declare(host, &info);
  info.type = LSMTPD_METRIC_HISTOGRAM;
  info.name = str("both_seconds");
  info.bounds = bounds;
  info.bound_count = 2;
  lsmtpd_metric* histogram = t->declare(host, &info);
  report.number("declare others", gauge != nullptr && histogram != nullptr);
  for (lsmtpd_metric* each : {counter, gauge, histogram, static_cast<lsmtpd_metric*>(nullptr)}) {
    t->count(each == counter ? each : nullptr, 1);
    t->set(each == gauge ? each : nullptr, 1);
    t->add(each == gauge ? each : nullptr, 1);
    t->observe(each == histogram ? each : nullptr, 1);
  }
}

void message(const lsmtpd_host* host, const lsmtpd_message* m, Report& report) {
  const auto* t = table<lsmtpd_message_1>(host, LSMTPD_MESSAGE);
  const lsmtpd_envelope* envelope = t->envelope(m);
  report.number("envelope.size", envelope->size);
  report.number("recipient_total", static_cast<int64_t>(envelope->recipient_total));
  report.number("number", lsmtpd_recipient_at(envelope, 1)->number);
  report.number("tls", envelope->tls != nullptr);
  report.number("size", static_cast<int64_t>(t->size(m)));
  report.number("peek", static_cast<int64_t>(t->peek(m, 2).size));
  report.number("peek at the end", static_cast<int64_t>(t->peek(m, t->size(m)).size));
  report.number("peek beyond", static_cast<int64_t>(t->peek(m, t->size(m) + 9).size));
  char buffer[8];
  report.number("read", t->read(m, 3, buffer, sizeof buffer));
  report.number("read beyond", t->read(m, t->size(m) + 9, buffer, sizeof buffer));
  t->pin(m);
  t->unpin(m);
}

void annotations(const lsmtpd_host* host, const lsmtpd_message* m, lsmtpd_annotations* a,
                 Report& report) {
  const auto* t = table<lsmtpd_annotations_1>(host, LSMTPD_ANNOTATIONS);
  lsmtpd_str key{}, value{};
  report.number("at 0", t->at(m, 0, &key, &value));
  report.text("key 0", key);
  report.number("at 1", t->at(m, 1, &key, &value));
  report.text("key 1", key);
  report.number("at 2", t->at(m, 2, &key, &value));
  report.text("get", t->get(m, str("old.b")));
  report.text("get none", t->get(m, str("none")));
  report.number("set", t->set(a, str("new"), str("1")));
  report.number("set empty", t->set(a, str("old.b"), str("")));
  report.number("set none empty", t->set(a, str("none"), str("")));
  report.text("find new", t->find(a, str("new")));
  report.text("find removed", t->find(a, str("old.b")));
  report.text("get does not see it", t->get(m, str("new")));
  report.text("get still has it", t->get(m, str("old.b")));
}

void header(const lsmtpd_host* host, const lsmtpd_message* m, lsmtpd_edits* e, Report& report) {
  const auto* t = table<lsmtpd_header_1>(host, LSMTPD_HEADER);
  report.number("remove before count", t->remove(e, 0));
  report.number("count", t->count(m));
  for (uint64_t i = 0; i < 5; ++i) {
    lsmtpd_header_field field{};
    field.size = sizeof field;
    report.number("at", t->at(m, i, &field));
    report.text("name", field.name);
    report.text("value", field.value);
    report.text("whole", field.whole);
  }
  report.number("find", t->find(m, str("x-a"), 0));
  report.number("find next", t->find(m, str("X-A"), 2));
  report.number("find none", t->find(m, str("X-B"), 0));
  report.number("change", t->change(e, 1, str("X-A: 3\r\n")));
  report.number("change to two", t->change(e, 1, str("X-A: 3\r\nX-B: 4\r\n")));
  report.number("change beyond", t->change(e, 4, str("X-A: 3\r\n")));
  report.number("insert last", t->insert(e, 4, str("X-C: 3\r\n folded\r\n")));
  report.number("insert beyond", t->insert(e, 5, str("X-C: 3\r\n")));
  report.number("insert no field", t->insert(e, 0, str("no field\r\n")));
  report.number("remove", t->remove(e, 2));
  report.number("remove again", t->remove(e, 2));
  report.number("remove beyond", t->remove(e, 4));
}

void edits(const lsmtpd_host* host, lsmtpd_edits* e, Report& report) {
  const auto* t = table<lsmtpd_edits_1>(host, LSMTPD_EDITS);
  for (const char* path : {"", "x@example.org", "<x@example.org>", "a b", "a\r\n", "a@b c"})
    report.number("set_reverse_path", t->set_reverse_path(e, str(path)));
  report.number("remove 2", t->remove_recipient(e, 2));
  report.number("remove 0", t->remove_recipient(e, 0));
  report.number("remove 0 again", t->remove_recipient(e, 0));
  report.number("remove the last", t->remove_recipient(e, 1));
  for (const char* address :
       {"", "a\r\n@b", "a b@example.org", "<a@example.org>", "@b", "a@", "new@example.org"})
    report.number("add_recipient", t->add_recipient(e, str(address), {}));
  report.number("add with bad parameters", t->add_recipient(e, str("a@b"), str("X=\x7f")));
  report.number("remove 1", t->remove_recipient(e, 1));
  for (const char* fields : {"", "A: b", "A: b\r\n", "A: b\r\n\tc\r\nD: e\r\n", ": b\r\n", "\r\n"})
    report.number("prepend_header", t->prepend_header(e, str(fields)));
  report.number("body_commit of nothing", t->body_commit(e));
  for (const char* content : {"a\r\n", "b", "\r\n"})
    report.number("body_append", t->body_append(e, str(content)));
  report.number("body_append of a bare LF", t->body_append(e, str("\n")));
  report.number("body_commit with a bare LF", t->body_commit(e));
}

void loop(const lsmtpd_host* host, Report& report) {
  const auto* t = table<lsmtpd_loop_1>(host, LSMTPD_LOOP);
  const auto ready = [](void*, uint32_t) {};
  const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  int ends[2] = {-1, -1};
  report.number("now", t->now_ms(host) != 0);
  report.number("watch none", t->watch(host, -1, LSMTPD_READABLE, ready, nullptr) != 0);
  report.number("watch a file", t->watch(host, file, LSMTPD_READABLE, ready, nullptr) != 0);
  ::close(file);
  if (::pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0) {
    const uint64_t one = t->watch(host, ends[0], 0, ready, nullptr);
    const uint64_t two = t->watch(host, ends[0], 0, ready, nullptr);
    report.number("two watches", one != 0 && two != 0 && one != two);
    t->rewatch(host, one, LSMTPD_READABLE);
    ::close(ends[0]);  // before the watches end
    t->unwatch(host, one);
    t->unwatch(host, two);
    ::close(ends[1]);
  }
  const uint64_t timer = t->timer(
      host, 1000, [](void*) {}, nullptr);
  report.number("timer", timer != 0);
  t->cancel_timer(host, timer);
  t->cancel_timer(host, timer);
  const auto task = [](void*) {};
  t->defer(host, task, nullptr);
  report.number("post", t->post(host, task, nullptr));
  report.number("offload", t->offload(host, task, task, nullptr));
  const auto resolved = [](void*, lsmtpd_str, const lsmtpd_address*, uint32_t, uint32_t) {};
  report.number("resolve", t->resolve(host, str("127.0.0.1"), 25, resolved, nullptr));
  report.number("resolve a bad port", t->resolve(host, str("x"), 70000, resolved, nullptr));
}

void dns(const lsmtpd_host* host, Report& report) {
  const auto* t = table<lsmtpd_dns_1>(host, LSMTPD_DNS);
  const auto done = [](void*, const lsmtpd_dns_answer*) {};
  const std::string long_label(64, 'a'), long_name = "a." + std::string(252, 'b');
  for (const std::string_view name :
       {std::string_view(""), std::string_view("."), std::string_view("a..b"),
        std::string_view(".a"), std::string_view("a b"), std::string_view("a\\.b"),
        std::string_view("\xc3\xbc.example"), std::string_view(long_label),
        std::string_view(long_name)})
    report.number("query of no name",
                  t->query(host, str(name), LSMTPD_DNS_A, 1000, done, nullptr) != 0);
  report.number("query of type 33", t->query(host, str("a.example"), 33, 1000, done, nullptr) != 0);
  for (const uint32_t type :
       {LSMTPD_DNS_A, LSMTPD_DNS_AAAA, LSMTPD_DNS_MX, LSMTPD_DNS_PTR, LSMTPD_DNS_TXT}) {
    const uint64_t one = t->query(host, str("_a-1.0/25.EXAMPLE."), type, 1000, done, nullptr);
    const uint64_t two = t->query(host, str("*"), type, 0, done, nullptr);
    report.number("query", one != 0 && two != 0 && one != two);
    t->cancel(host, one);
    t->cancel(host, one);
    t->cancel(host, two);
  }
  t->cancel(host, 0);
}

void making(const lsmtpd_host* host, Report& report) {
  const auto* t = table<lsmtpd_making_1>(host, LSMTPD_MAKING);
  lsmtpd_envelope envelope{};
  report.number("make of nothing", t->make(host, nullptr) != nullptr);
  report.number("make without a size", t->make(host, &envelope) != nullptr);
  envelope.size = sizeof envelope;
  lsmtpd_making* making = t->make(host, &envelope);
  report.number("make", making != nullptr);
  report.number("append", t->append(making, str("x\r\n")));
  report.number("annotate", t->annotate(making, str("a"), str("b")));
  t->drop(making);
}

void on_message(const lsmtpd_lane* raw, lsmtpd_call call, const lsmtpd_message* m,
                const lsmtpd_filter_event* event) {
  const lsmtpd_host* host = static_cast<const Lane*>(raw->self)->host;
  Report report;
  hosts(host, report);
  memory(host, report);
  log(host, report);
  metrics(host, report);
  message(host, m, report);
  annotations(host, m, event->annotations, report);
  header(host, m, event->edits, report);
  edits(host, event->edits, report);
  loop(host, report);
  dns(host, report);
  making(host, report);
  lsmtpd_verdict verdict{};
  verdict.size = sizeof verdict;
  verdict.kind = LSMTPD_ACCEPT;
  verdict.detail = str(report.all());
  host->complete(host, call, &verdict);
  // The arguments of the call live until this returns; the call itself is complete.
  const auto* read = table<lsmtpd_message_1>(host, LSMTPD_MESSAGE);
  (void)read->envelope(m)->id.size;
}

void close_lane(const lsmtpd_lane* raw, uint64_t) {
  auto* lane = static_cast<Lane*>(raw->self);
  const lsmtpd_host* host = lane->host;
  delete lane;
  host->lane_closed(host);
}

const lsmtpd_lane* open_lane(const lsmtpd_instance*, const lsmtpd_host* host) {
  auto* lane = new Lane{{nullptr, close_lane}, host};
  lane->raw.self = lane;
  return &lane->raw;
}

const void* instance_extension(const lsmtpd_instance*, const char* id) {
  static const lsmtpd_filter_1 filter = {on_message, nullptr};
  return std::strcmp(id, LSMTPD_FILTER) == 0 ? &filter : nullptr;
}

const lsmtpd_instance the_instance = {
    nullptr,
    [](const lsmtpd_instance*, const lsmtpd_report*) -> int32_t { return 0; },
    [](const lsmtpd_instance*) {},
    [](const lsmtpd_instance*) {},
    instance_extension,
    open_lane};

const lsmtpd_descriptor descriptor = {
    sizeof(lsmtpd_descriptor), 0, {"both_hosts_filter", 17}, {"1", 1}, {"tests", 5}, {"", 0}};
const lsmtpd_factory_1 factory = {
    &descriptor, [](const char*) -> const void* { return nullptr; },
    [](const lsmtpd_host*, const lsmtpd_config*) { return &the_instance; }};

}  // namespace

LSMTPD_EXPORT const lsmtpd_entry_1 lsmtpd_entry = {
    LSMTPD_ABI_MAJOR, LSMTPD_ABI_MINOR, [](lsmtpd_str) -> int32_t { return 0; }, [] {},
    [](const char* id) -> const void* {
      return std::strcmp(id, LSMTPD_FACTORY) == 0 ? &factory : nullptr;
    }};
