// SPDX-License-Identifier: Apache-2.0
// The physical limit of an SMTP server on libuv, to measure lsmtpd against: loops that share
// nothing, each with one read buffer, replies by a command's first letter, the end of data by
// memmem, uv_try_write. It checks nothing and keeps nothing.  bare_responder PORT [LOOPS]
#include <sys/socket.h>
#include <uv.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

struct Client {
  uv_tcp_t tcp{};
  bool content = false;       // after DATA
  std::size_t chunk = 0;      // octets of a BDAT still to come
  std::string tail = "\r\n";  // the last octets of the content before this read
  std::string line, replies;  // an unfinished command; what this read is answered
};

thread_local std::vector<char> buffer(64 << 10);

constexpr std::string_view kEnd = "\r\n.\r\n", kOk = "250 2.0.0 Ok\r\n";

// The position after the end of data, or npos. It may have begun in the read before.
std::size_t end_of_data(Client& client, std::string_view in) {
  const std::string seam = client.tail + std::string(in.substr(0, kEnd.size() - 1));
  const std::size_t across = seam.find(kEnd);
  if (across != seam.npos) return across + kEnd.size() - client.tail.size();
  if (const void* at = memmem(in.data(), in.size(), kEnd.data(), kEnd.size())) {
    return static_cast<std::size_t>(static_cast<const char*>(at) - in.data()) + kEnd.size();
  }
  const std::size_t keep = kEnd.size() - 1;
  client.tail = in.size() >= keep ? std::string(in.substr(in.size() - keep))
                                  : seam.substr(seam.size() > keep ? seam.size() - keep : 0);
  return in.npos;
}

// Answers one command line; false ends the connection.
bool command(Client& client, std::string_view line) {
  switch (line.empty() ? 0 : line[0] & ~0x20) {
    case 'E':
      client.replies += "250-bare\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 CHUNKING\r\n";
      return true;
    case 'D':
      client.replies += "354 Go\r\n";
      client.content = true;
      client.tail = "\r\n";
      return true;
    case 'B':
      client.chunk = line.size() > 5 ? std::strtoull(&line[5], nullptr, 10) : 0;
      if (client.chunk == 0) client.replies += kOk;
      return true;
    case 'Q':
      client.replies += "221 2.0.0 Bye\r\n";
      return false;
    default:
      client.replies += kOk;
      return true;
  }
}

bool feed(Client& client, std::string_view in) {
  while (!in.empty()) {
    if (client.content) {
      const std::size_t end = end_of_data(client, in);
      if (end == in.npos) return true;
      client.content = false;
      client.replies += kOk;
      in.remove_prefix(end);
    } else if (client.chunk > 0) {
      const std::size_t size = client.chunk < in.size() ? client.chunk : in.size();
      in.remove_prefix(size);
      if ((client.chunk -= size) == 0) client.replies += kOk;
    } else if (const std::size_t end = in.find('\n'); end == in.npos) {
      client.line += in;
      return true;
    } else {
      const std::string_view rest = in.substr(0, end + 1);
      const bool stays =
          client.line.empty() ? command(client, rest) : command(client, client.line += rest);
      client.line.clear();
      if (!stays) return false;
      in.remove_prefix(end + 1);
    }
  }
  return true;
}

void closed(uv_handle_t* handle) {
  delete static_cast<Client*>(handle->data);
}

void on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t*) {
  auto* client = static_cast<Client*>(stream->data);
  bool stays = size >= 0;
  if (size > 0) stays = feed(*client, {buffer.data(), static_cast<std::size_t>(size)});
  if (!client->replies.empty()) {
    uv_buf_t out =
        uv_buf_init(client->replies.data(), static_cast<unsigned>(client->replies.size()));
    // A client that does not read its replies is cut off: nothing is queued here.
    if (uv_try_write(stream, &out, 1) != static_cast<int>(out.len)) stays = false;
    client->replies.clear();
  }
  if (!stays) uv_close(reinterpret_cast<uv_handle_t*>(stream), closed);
}

void on_alloc(uv_handle_t*, std::size_t, uv_buf_t* out) {
  *out = uv_buf_init(buffer.data(), static_cast<unsigned>(buffer.size()));
}

void on_connection(uv_stream_t* listener, int) {
  auto* client = new Client;
  client->tcp.data = client;
  uv_tcp_init(listener->loop, &client->tcp);
  auto* stream = reinterpret_cast<uv_stream_t*>(&client->tcp);
  if (uv_accept(listener, stream) != 0) {
    return uv_close(reinterpret_cast<uv_handle_t*>(stream), closed);
  }
  uv_tcp_nodelay(&client->tcp, 1);
  client->replies = "220 bare ESMTP\r\n";
  on_read(stream, 0, nullptr);
  uv_read_start(stream, on_alloc, on_read);
}

void serve(int port) {
  uv_loop_t loop;
  uv_tcp_t listener;
  sockaddr_in address;
  uv_os_fd_t fd = -1;
  const int on = 1;
  uv_loop_init(&loop);
  uv_ip4_addr("127.0.0.1", port, &address);
  uv_tcp_init_ex(&loop, &listener, AF_INET);
  uv_fileno(reinterpret_cast<uv_handle_t*>(&listener), &fd);
  setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  uv_tcp_bind(&listener, reinterpret_cast<sockaddr*>(&address), 0);
  if (int error = uv_listen(reinterpret_cast<uv_stream_t*>(&listener), 4096, on_connection)) {
    std::fprintf(stderr, "bare_responder: %s\n", uv_strerror(error));
    std::exit(1);
  }
  uv_run(&loop, UV_RUN_DEFAULT);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "usage: bare_responder PORT [LOOPS]\n"), 2;
  const int port = std::atoi(argv[1]);
  std::vector<std::thread> others;
  for (int i = argc > 2 ? std::atoi(argv[2]) : 1; i > 1; --i) others.emplace_back(serve, port);
  serve(port);
}
