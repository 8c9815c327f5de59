// SPDX-License-Identifier: Apache-2.0
// A filter that uses one of the host's extensions, as its option `use` names it, and says in its
// verdict's detail what it saw; or that ends its lane in one of the wrong ways.
#include <fcntl.h>
#include <lsmtpd/lsmtpd.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>

namespace {

lsmtpd_str str(std::string_view text) {
  return {text.data(), text.size()};
}

struct Lane {
  lsmtpd_lane raw;
  const lsmtpd_host* host;
  const lsmtpd_loop_1* loop;
  const lsmtpd_annotations_1* annotations;
  const lsmtpd_edits_1* edits;
  const lsmtpd_memory_1* memory;
  std::string use;
  lsmtpd_call call = 0;
  std::string seen;
  uint64_t watch = 0, timer = 0;
  int fds[2] = {-1, -1};
  std::thread thread;
};

void answer(Lane& lane, uint32_t kind = LSMTPD_CONTINUE) {
  const lsmtpd_verdict verdict = {sizeof(lsmtpd_verdict), kind, 0, 0, {}, {}, str(lane.seen)};
  lane.host->complete(lane.host, lane.call, &verdict);
}
void answer_task(void* data) {
  answer(*static_cast<Lane*>(data));
}
void see(void* data) {
  auto& lane = *static_cast<Lane*>(data);
  lane.seen += std::to_string(lane.seen.size());
  if (lane.seen.size() == 5) answer(lane);
}

void readable(void* data, uint32_t events) {
  auto& lane = *static_cast<Lane*>(data);
  char byte = 0;
  if (::read(lane.fds[0], &byte, 1) == 1) lane.seen += byte;
  lane.seen += std::to_string(events);
  lane.loop->unwatch(lane.host, lane.watch);
  ::close(lane.fds[0]);
  ::close(lane.fds[1]);
  answer(lane);
}

const lsmtpd_dns_1* dns_of(const Lane& lane) {
  return static_cast<const lsmtpd_dns_1*>(lane.host->get_extension(lane.host, LSMTPD_DNS));
}
void dns_answered(void* data, const lsmtpd_dns_answer* got) {
  auto& lane = *static_cast<Lane*>(data);
  lane.seen += "status:" + std::to_string(got->status) + " rcode:" + std::to_string(got->rcode) +
               " ttl:" + std::to_string(got->ttl) + " count:" + std::to_string(got->count);
  if (got->count > 0) {
    lane.seen += " preference:" + std::to_string(got->records[0].preference) + " data:";
    lane.seen.append(got->records[0].data.data, got->records[0].data.size);
  }
  answer(lane);
}
// One question is cancelled, one left open when the lane closes, one answered.
void ask_dns(Lane& lane) {
  const auto* dns = dns_of(lane);
  const auto never = [](void* data, const lsmtpd_dns_answer*) {
    static_cast<Lane*>(data)->seen += "cancelled ";
  };
  dns->cancel(lane.host,
              dns->query(lane.host, str("mx.example"), LSMTPD_DNS_MX, 5000, never, &lane));
  dns->query(lane.host, str("silent.example"), LSMTPD_DNS_MX, 5000, never, &lane);
  dns->query(lane.host, str("mx.example"), LSMTPD_DNS_MX, 5000, dns_answered, &lane);
}

std::atomic<bool> keeps_host_done{false};

// Closes a watched descriptor and gets its number again for another connection: the watch still is
// of the first one, and does the second no harm.
void closes_its_fd(Lane& lane) {
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, lane.fds) != 0) return;
  lane.watch = lane.loop->watch(
      lane.host, lane.fds[0], LSMTPD_READABLE,
      [](void* data, uint32_t) {
        auto& self = *static_cast<Lane*>(data);
        self.loop->unwatch(self.host, self.watch);
        self.seen += "first";
        answer(self);
      },
      &lane);
  const int number = lane.fds[0];
  ::close(number);
  int other[2] = {-1, -1};
  if (::pipe2(other, O_NONBLOCK | O_CLOEXEC) != 0) return;
  lane.seen = other[0] == number || other[1] == number ? "reused " : "not reused ";
  if (::write(other[1], "x", 1) == 1 && ::write(lane.fds[1], "x", 1) == 1) lane.seen += "sent ";
  ::close(other[0]);
  ::close(other[1]);
}

// Two watches of one descriptor: each is called for the events that it asked for.
void two_watches(Lane& lane) {
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, lane.fds) != 0) return;
  static uint64_t other;
  other = lane.loop->watch(
      lane.host, lane.fds[0], LSMTPD_WRITABLE,
      [](void* data, uint32_t events) {
        auto& self = *static_cast<Lane*>(data);
        self.seen += "w" + std::to_string(events);
        self.loop->unwatch(self.host, other);
        if (::write(self.fds[1], "x", 1) != 1) self.seen += "?";
      },
      &lane);
  lane.watch = lane.loop->watch(lane.host, lane.fds[0], LSMTPD_READABLE, readable, &lane);
}

void watch(Lane& lane) {
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, lane.fds) != 0) return;
  const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  lane.seen = "file:" +
              std::to_string(lane.loop->watch(lane.host, file, LSMTPD_READABLE, readable, &lane)) +
              " ";
  ::close(file);
  lane.watch = lane.loop->watch(lane.host, lane.fds[0], 0, readable, &lane);
  if (::write(lane.fds[1], "x", 1) == 1) lane.loop->rewatch(lane.host, lane.watch, LSMTPD_READABLE);
}

void timers(Lane& lane) {
  lane.timer = lane.loop->timer(
      lane.host, 1, [](void* data) { static_cast<Lane*>(data)->seen += "cancelled"; }, &lane);
  lane.loop->timer(
      lane.host, 2,
      [](void* data) {
        auto& self = *static_cast<Lane*>(data);
        self.seen += "b";
        self.loop->timer(self.host, 0, answer_task, data);
      },
      &lane);
  lane.loop->cancel_timer(lane.host, lane.timer);
  lane.loop->cancel_timer(lane.host, lane.timer);
  lane.seen += "a";
}

void resolved(void* data, lsmtpd_str error, const lsmtpd_address* addresses, uint32_t stride,
              uint32_t count) {
  auto& lane = *static_cast<Lane*>(data);
  lane.seen += error.size != 0 ? "error " : "";
  for (uint32_t i = 0; i < count; ++i) {
    const auto& address = *reinterpret_cast<const lsmtpd_address*>(
        reinterpret_cast<const char*>(addresses) + size_t{i} * stride);
    const auto* in = reinterpret_cast<const sockaddr_in*>(address.address);
    lane.seen += std::to_string(ntohs(in->sin_port)) + "/" +
                 std::to_string(address.length == sizeof(sockaddr_in)) + " ";
  }
  if (error.size != 0) return answer(lane);
  lane.loop->resolve(lane.host, str("no.such.host.invalid."), 25, resolved, data);
}

// Answers with the first error.
void resolved_one_of_many(void* data, lsmtpd_str error, const lsmtpd_address*, uint32_t, uint32_t) {
  auto& lane = *static_cast<Lane*>(data);
  if (error.size == 0 || !lane.seen.empty()) return;
  lane.seen.assign(error.data, error.size);
  answer(lane);
}

void edits(Lane& lane, const lsmtpd_message* message, const lsmtpd_filter_event& event) {
  const auto& m = *lane.edits;
  lsmtpd_edits* e = event.edits;
  const auto& a = *lane.annotations;
  const auto note = [&](int32_t status) { lane.seen += status == 0 ? "+" : "-"; };
  note(m.remove_recipient(e, 2));  // there are two
  note(m.remove_recipient(e, 0));
  note(m.remove_recipient(e, 0));  // again: it is gone already
  note(m.remove_recipient(e, 1));  // the last one
  note(m.add_recipient(e, str(""), {}));
  note(m.add_recipient(e, str("a\r\n@b"), {}));
  note(m.add_recipient(e, str("new@example.org"), {}));
  note(m.remove_recipient(e, 1));  // not the last one any more
  note(m.prepend_header(e, str("no line end")));
  note(m.prepend_header(e, str("X-First: 1\r\n")));
  note(m.body_commit(e));  // nothing was appended
  note(a.set(event.annotations, str("a"), str("1")));
  note(a.set(event.annotations, str("b"), str("2")));
  note(a.set(event.annotations, str("a"), str("")));
  const lsmtpd_str now = a.find(event.annotations, str("b"));
  lane.seen += "b";
  lane.seen.append(now.data, now.size);
  lane.seen += std::to_string(a.find(event.annotations, str("a")).size);
  lane.seen += std::to_string(a.get(message, str("b")).size);  // the view stays as it came
}

// Replaces the body with `megabytes` from the loop, where nothing may block.
void large_body(Lane& lane, lsmtpd_edits* handle) {
  const std::string piece(65536, 'x');
  for (int i = 0; i < 1000; ++i) {
    if (lane.edits->body_append(handle, str(piece)) != 0) {
      lane.seen = "no memory";
      return answer(lane, LSMTPD_TEMPFAIL);
    }
  }
  lane.edits->body_commit(handle);
  answer(lane);
}

struct Replacing {
  Lane* lane;
  lsmtpd_edits* handle;
  static void work(void* data) {
    auto& self = *static_cast<Replacing*>(data);
    const std::string piece(65536, 'x');
    for (int i = 0; i < 200; ++i) {
      if (self.lane->edits->body_append(self.handle, str(piece)) != 0) self.lane->seen = "failed";
    }
    if (self.lane->edits->body_commit(self.handle) != 0) self.lane->seen = "not committed";
  }
  static void done(void* data) {
    answer(*static_cast<Replacing*>(data)->lane);
    delete static_cast<Replacing*>(data);
  }
};

void message(const lsmtpd_lane* raw, lsmtpd_call call, const lsmtpd_message* message,
             const lsmtpd_filter_event* event) {
  Lane& lane = *static_cast<Lane*>(raw->self);
  lane.call = call;
  const std::string_view use = lane.use;
  if (use == "watch") return watch(lane);
  if (use == "timer") return timers(lane);
  if (use == "dns") return ask_dns(lane);
  if (use == "resolve") {
    lane.seen = lane.loop->resolve(lane.host, str("127.0.0.1"), 70000, resolved, &lane) == 0
                    ? "bad port "
                    : "";
    lane.loop->resolve(lane.host, str("127.0.0.1"), 2525, resolved, &lane);
  } else if (use == "resolve_many") {
    for (int i = 0; i < 1010; ++i)
      lane.loop->resolve(lane.host, str("slow.example"), 25, resolved_one_of_many, &lane);
  } else if (use == "post") {
    lane.thread = std::thread([&lane] {
      for (int i = 0; i < 5; ++i) lane.loop->post(lane.host, see, &lane);
    });
  } else if (use == "defer") {
    for (int i = 0; i < 5; ++i) lane.loop->defer(lane.host, see, &lane);
  } else if (use == "memory") {
    lane.seen = std::to_string(lane.memory->reserve(lane.host, 1000)) +
                std::to_string(lane.memory->reserve(lane.host, 1ull << 40));
    lane.memory->release(lane.host, 1000);
    answer(lane);
  } else if (use == "releases_twice") {
    lane.memory->reserve(lane.host, 1000);
    lane.memory->release(lane.host, 1000);
    lane.memory->release(lane.host, 1ull << 30);
    answer(lane);
  } else if (use == "no_size") {
    const lsmtpd_verdict verdict = {0, LSMTPD_CONTINUE, 0, 0, {}, {}, {}};
    lane.host->complete(lane.host, call, &verdict);
  } else if (use == "edits") {
    edits(lane, message, *event);
    answer(lane);
  } else if (use == "large_body") {
    large_body(lane, event->edits);
  } else if (use == "large_body_on_pool") {
    lane.loop->offload(lane.host, Replacing::work, Replacing::done,
                       new Replacing{&lane, event->edits});
  } else if (use == "keeps_host") {
    std::thread([host = lane.host, loop = lane.loop, call] {
      while (loop->post(
                 host, [](void*) {}, nullptr) == 0)
        std::this_thread::yield();
      const lsmtpd_verdict verdict = {sizeof verdict, LSMTPD_CONTINUE, 0, 0, {}, {}, {}};
      for (int i = 0; i < 1000; ++i) {
        loop->post(
            host, [](void*) {}, nullptr);
        host->complete(host, call, &verdict);
        std::this_thread::yield();
      }
      keeps_host_done = true;
    }).detach();
  } else if (use == "closes_its_fd") {
    closes_its_fd(lane);
  } else if (use == "two_watches") {
    two_watches(lane);
  } else if (use == "closes_itself") {
    lane.host->lane_closed(lane.host);
    delete &lane;
  } else if (use == "throws_in_tasks") {
    lane.loop->timer(
        lane.host, 0, [](void*) { throw 1; }, nullptr);
    lane.loop->defer(
        lane.host, [](void*) { throw 2; }, nullptr);
    lane.loop->post(
        lane.host, [](void*) { throw 3; }, nullptr);
    lane.loop->offload(
        lane.host, [](void*) { throw 4; },
        [](void* data) {
          answer(*static_cast<Lane*>(data));
          throw 5;
        },
        &lane);
  }  // "holds": stays open
}

void close_lane(const lsmtpd_lane* raw, uint64_t) {
  Lane* lane = static_cast<Lane*>(raw->self);
  if (lane->thread.joinable()) lane->thread.join();
  const lsmtpd_host* host = lane->host;
  const auto* loop = lane->loop;
  delete lane;
  host->lane_closed(host);
  // Too late for anything.
  loop->timer(
      host, 0, [](void*) { throw 6; }, nullptr);
  loop->post(
      host, [](void*) { throw 7; }, nullptr);
}

struct Instance {
  lsmtpd_instance raw;
  std::string use;
};

const lsmtpd_lane* open_lane(const lsmtpd_instance* instance, const lsmtpd_host* host) {
  auto* lane = new Lane{};
  lane->use = static_cast<Instance*>(instance->self)->use;
  lane->raw = {lane, lane->use == "no_close" ? nullptr : close_lane};
  lane->host = host;
  lane->loop = static_cast<const lsmtpd_loop_1*>(host->get_extension(host, LSMTPD_LOOP));
  lane->annotations =
      static_cast<const lsmtpd_annotations_1*>(host->get_extension(host, LSMTPD_ANNOTATIONS));
  lane->edits = static_cast<const lsmtpd_edits_1*>(host->get_extension(host, LSMTPD_EDITS));
  lane->memory = static_cast<const lsmtpd_memory_1*>(host->get_extension(host, LSMTPD_MEMORY));
  if (lane->raw.close == nullptr) {
    static lsmtpd_lane broken;
    broken = lane->raw;
    delete lane;
    return &broken;
  }
  return &lane->raw;
}

const void* instance_extension(const lsmtpd_instance* instance, const char* id) {
  static const lsmtpd_filter_1 filter = {message, nullptr};
  static const lsmtpd_filter_1 broken = {nullptr, nullptr};
  if (static_cast<Instance*>(instance->self)->use == "no_message") return &broken;
  if (static_cast<Instance*>(instance->self)->use == "nothing") return nullptr;
  return std::strcmp(id, LSMTPD_FILTER) == 0 ? &filter : nullptr;
}

const lsmtpd_instance* create(const lsmtpd_host*, const lsmtpd_config* config) {
  auto* instance = new Instance{};
  instance->raw = {instance,
                   [](const lsmtpd_instance*, const lsmtpd_report*) -> int32_t { return 0; },
                   [](const lsmtpd_instance*) { throw 8; },
                   [](const lsmtpd_instance* s) {
                     auto* self = static_cast<Instance*>(s->self);
                     // Its thread uses a host of the instance.
                     while (self->use == "keeps_host" && !keeps_host_done)
                       std::this_thread::yield();
                     delete self;
                   },
                   instance_extension,
                   open_lane};
  const lsmtpd_str use = config->string(config, "use");
  instance->use.assign(use.data, use.size);
  if (instance->use == "no_start") {
    static lsmtpd_instance broken;
    broken = instance->raw;
    broken.start = nullptr;
    delete instance;
    return &broken;
  }
  return &instance->raw;
}

const void* factory_extension(const char* id) {
  static const lsmtpd_option rows[] = {
      {"use", LSMTPD_TYPE_STRING, 1, nullptr, 0, 0, nullptr, "what to do", nullptr, 0, 0}};
  static const lsmtpd_options_1 options = {rows, 1, sizeof rows[0], nullptr};
  return std::strcmp(id, LSMTPD_OPTIONS) == 0 ? &options : nullptr;
}

const lsmtpd_descriptor descriptor = {
    sizeof(lsmtpd_descriptor), 0, {"extension_filter", 14}, {"1", 1}, {"tests", 5}, {"", 0}};
const lsmtpd_factory_1 factory = {&descriptor, factory_extension, create};
int32_t init(lsmtpd_str) {
  return 0;
}
void deinit() {}
const void* get_factory(const char*) {
  return &factory;
}

}  // namespace

LSMTPD_EXPORT const lsmtpd_entry_1 lsmtpd_entry = {LSMTPD_ABI_MAJOR, LSMTPD_ABI_MINOR, init, deinit,
                                                   get_factory};
