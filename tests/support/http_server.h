// SPDX-License-Identifier: Apache-2.0
// A web server of this process on a port of this machine, as well-behaved or as bad as a test wants.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace coppice::testing {

class HttpServer {
 public:
  struct Options {
    bool ranges = true;          // goes on in the middle of a file when it is asked
    size_t breaks_after = ~0UL;  // ends the connection after so many bytes of content
  };

  explicit HttpServer(std::map<std::string, std::string> files) : files_(std::move(files)) {
    listening_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(listening_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listening_, 8), 0);
    EXPECT_EQ(getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~HttpServer() {
    stop_ = true;
    shutdown(listening_, SHUT_RDWR);
    thread_.join();
    close(listening_);
  }
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  void set(const Options& options) { options_ = options; }
  // "GET /a", or with a range: "GET /a 5-". Read it while no request is under way.
  const std::vector<std::string>& requests() const { return requests_; }

 private:
  void serve() {
    while (!stop_) {
      const int connection = accept(listening_, nullptr, nullptr);
      if (connection < 0) return;
      answer(connection);
      close(connection);
    }
  }

  void answer(int connection) {
    std::string request;
    char buffer[4096];
    while (request.find("\r\n\r\n") == std::string::npos) {
      const ssize_t got = recv(connection, buffer, sizeof buffer, 0);
      if (got <= 0) return;
      request.append(buffer, static_cast<size_t>(got));
    }
    const std::string path = request.substr(4, request.find(' ', 4) - 4);
    const size_t range = request.find("Range: bytes=");
    const size_t from = range == std::string::npos ? 0 : std::stoull(request.substr(range + 13));
    requests_.push_back("GET " + path + (from > 0 ? " " + std::to_string(from) + "-" : ""));
    const auto file = files_.find(path);
    if (file == files_.end())
      return send_all(connection, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    const bool part = from > 0 && options_.ranges;
    const std::string content = part ? file->second.substr(from) : file->second;
    std::string head = part ? "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes " + std::to_string(from) +
                                  "-" + std::to_string(file->second.size() - 1) + "/" +
                                  std::to_string(file->second.size()) + "\r\n"
                            : "HTTP/1.1 200 OK\r\n";
    head += "Connection: close\r\nContent-Length: " + std::to_string(content.size()) + "\r\n\r\n";
    send_all(connection, head + content.substr(0, options_.breaks_after));
  }

  static void send_all(int connection, const std::string& text) {
    for (size_t at = 0; at < text.size();) {
      const ssize_t sent = send(connection, text.data() + at, text.size() - at, MSG_NOSIGNAL);
      if (sent <= 0) return;
      at += static_cast<size_t>(sent);
    }
  }

  std::map<std::string, std::string> files_;
  Options options_;
  std::vector<std::string> requests_;
  int listening_ = -1, port_ = 0;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace coppice::testing
