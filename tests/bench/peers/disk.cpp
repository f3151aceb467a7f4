// The bare disk, without a queue: three appends to a private file, each flushed. The rate that the
// disk allows a client that shares its flushes with no other.
#include "tests/bench/peers/peer.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace tayfa::bench {

namespace {

class client final : public stepwise_client {
 public:
  client(const std::string& folder, unsigned number) {
    const std::string path = folder + "/bare-" + std::to_string(number);
    fd_ = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (fd_ < 0) {
      throw peer_error{"cannot write " + path + ": " + std::strerror(errno)};
    }
  }
  client(const client&) = delete;
  client& operator=(const client&) = delete;
  ~client() override { ::close(fd_); }

  void accept(const std::string& payload) override {
    payload_ = payload;
    flushed(payload);
  }
  std::string claim() override {
    flushed("claimed");
    return payload_;
  }
  void complete() override { flushed("completed"); }

 private:
  void flushed(std::string_view bytes) {
    if (::write(fd_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()) ||
        ::fdatasync(fd_) != 0) {
      throw peer_error{std::string{"cannot write: "} + std::strerror(errno)};
    }
  }

  int fd_ = -1;
  std::string payload_;
};

} // namespace

const peer disk{"disk", [](const peer_address&) {},
                [](const peer_address& at, unsigned n) -> std::unique_ptr<peer_client> {
                  return std::make_unique<client>(at.folder, n);
                }};

} // namespace tayfa::bench
