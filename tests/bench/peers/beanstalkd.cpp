// beanstalkd: put, reserve, delete. Its log holds puts and deletes; a claim is kept in memory only
// and reaches no disk.
#include "tests/bench/peers/wire.hpp"

namespace tayfa::bench {

namespace {

class client final : public stepwise_client {
 public:
  explicit client(std::uint16_t port) : wire_(port) {}

  void accept(const std::string& payload) override {
    wire_.send("put 0 0 600 " + std::to_string(payload.size()) + "\r\n" + payload + "\r\n");
    expect("INSERTED ");
  }

  std::string claim() override {
    wire_.send("reserve-with-timeout 60\r\n");
    const std::string job = expect("RESERVED ");
    const std::size_t space = job.find(' ');
    id_ = job.substr(0, space);
    const std::size_t size = std::stoul(job.substr(space + 1));
    std::string payload = wire_.bytes(size + 2);
    payload.resize(size);
    return payload;
  }

  void complete() override {
    wire_.send("delete " + id_ + "\r\n");
    expect("DELETED");
  }

 private:
  /// Reads a line that must begin with `word`; returns the rest.
  std::string expect(std::string_view word) {
    const std::string said = wire_.line();
    if (!said.starts_with(word)) {
      throw peer_error{"beanstalkd said " + said};
    }
    return said.substr(word.size());
  }

  wire wire_;
  std::string id_;
};

} // namespace

const peer beanstalkd{"beanstalkd", [](const peer_address&) {},
                      [](const peer_address& at, unsigned) -> std::unique_ptr<peer_client> {
                        return std::make_unique<client>(at.port);
                      }};

} // namespace tayfa::bench
