#include "runtime/http/gateway.hpp"

namespace tayfa {

reply::~reply() {
  if (!sent_.load()) {
    send(api::refuse({errc::unavailable, {}}));
  }
}

void reply::send(api::response answer) {
  if (!sent_.exchange(true)) {
    transport_(std::move(answer));
  }
}

} // namespace tayfa
