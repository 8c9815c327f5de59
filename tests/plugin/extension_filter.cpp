// SPDX-License-Identifier: Apache-2.0
// A filter that uses one of the host's extensions, as its option `use` names it, and says in its
// verdict's detail what it saw; or that ends its lane in one of the wrong ways.
#include <fcntl.h>
#include <lsmtpd/lsmtpd.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

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
  const lsmtpd_message_1* messages;
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

void resolved(void* data, lsmtpd_str error, const lsmtpd_address* addresses, uint32_t count) {
  auto& lane = *static_cast<Lane*>(data);
  lane.seen += error.size != 0 ? "error " : "";
  for (uint32_t i = 0; i < count; ++i) {
    const auto* in = reinterpret_cast<const sockaddr_in*>(addresses[i].address);
    lane.seen += std::to_string(ntohs(in->sin_port)) + "/" +
                 std::to_string(addresses[i].length == sizeof(sockaddr_in)) + " ";
  }
  if (error.size != 0) return answer(lane);
  lane.loop->resolve(lane.host, str("no.such.host.invalid."), 25, resolved, data);
}

void edits(Lane& lane, const lsmtpd_message* message) {
  const auto& m = *lane.messages;
  const auto note = [&](int32_t status) { lane.seen += status == 0 ? "+" : "-"; };
  note(m.remove_recipient(message, 2));  // there are two
  note(m.remove_recipient(message, 0));
  note(m.remove_recipient(message, 0));  // again: it is gone already
  note(m.remove_recipient(message, 1));  // the last one
  note(m.add_recipient(message, str(""), {}));
  note(m.add_recipient(message, str("a\r\n@b"), {}));
  note(m.add_recipient(message, str("new@example.org"), {}));
  note(m.remove_recipient(message, 1));  // not the last one any more
  note(m.prepend_header(message, str("no line end")));
  note(m.prepend_header(message, str("X-First: 1\r\n")));
  note(m.body_commit(message));  // nothing was appended
  note(m.annotate(message, str("a"), str("1")));
  note(m.annotate(message, str("b"), str("2")));
  note(m.annotate(message, str("a"), str("")));
  lsmtpd_str key{}, value{};
  lane.seen += std::to_string(m.annotation_at(message, 0, &key, &value));
  lane.seen.append(key.data, key.size).append(value.data, value.size);
  lane.seen += std::to_string(m.annotation_at(message, 1, &key, &value));
  lane.seen += std::to_string(m.annotation(message, str("a")).size);
}

// Replaces the body with `megabytes` from the loop, where nothing may block.
void large_body(Lane& lane, const lsmtpd_message* message) {
  const std::string piece(65536, 'x');
  for (int i = 0; i < 1000; ++i) {
    if (lane.messages->body_append(message, str(piece)) != 0) {
      lane.seen = "no memory";
      return answer(lane, LSMTPD_TEMPFAIL);
    }
  }
  lane.messages->body_commit(message);
  answer(lane);
}

struct Replacing {
  Lane* lane;
  const lsmtpd_message* message;
  static void work(void* data) {
    auto& self = *static_cast<Replacing*>(data);
    const std::string piece(65536, 'x');
    for (int i = 0; i < 200; ++i) {
      if (self.lane->messages->body_append(self.message, str(piece)) != 0)
        self.lane->seen = "failed";
    }
    if (self.lane->messages->body_commit(self.message) != 0) self.lane->seen = "not committed";
  }
  static void done(void* data) {
    answer(*static_cast<Replacing*>(data)->lane);
    delete static_cast<Replacing*>(data);
  }
};

void message(const lsmtpd_lane* raw, lsmtpd_call call, const lsmtpd_message* message) {
  Lane& lane = *static_cast<Lane*>(raw->self);
  lane.call = call;
  const std::string_view use = lane.use;
  if (use == "watch") return watch(lane);
  if (use == "timer") return timers(lane);
  if (use == "resolve") {
    lane.seen = lane.loop->resolve(lane.host, str("127.0.0.1"), 70000, resolved, &lane) == 0
                    ? "bad port "
                    : "";
    lane.loop->resolve(lane.host, str("127.0.0.1"), 2525, resolved, &lane);
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
    edits(lane, message);
    answer(lane);
  } else if (use == "large_body") {
    large_body(lane, message);
  } else if (use == "large_body_on_pool") {
    lane.loop->offload(lane.host, Replacing::work, Replacing::done, new Replacing{&lane, message});
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

void close_lane(const lsmtpd_lane* raw) {
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
  lane->messages = static_cast<const lsmtpd_message_1*>(host->get_extension(host, LSMTPD_MESSAGE));
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
                   [](const lsmtpd_instance* s) { delete static_cast<Instance*>(s->self); },
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
      {"use", LSMTPD_TYPE_STRING, 1, nullptr, 0, 0, nullptr, "what to do"}};
  static const lsmtpd_options_1 options = {rows, 1, 0, nullptr};
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
