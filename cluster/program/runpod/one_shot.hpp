// The HTTP side of a local test: no socket, one call. It comes in like any client's and its answer
// goes to the one who waits, so the job takes the same way through the pod as every other.
//
// Owner: run_serve. Thread safe as http_gateway asks.
#pragma once

#include "runtime/http/gateway.hpp"

#include <functional>
#include <optional>

namespace tayfa {

class one_shot_gateway final : public http_gateway {
 public:
  /// `answered` is called exactly once after open(), from any thread; never when the pod ends
  /// before it opens.
  one_shot_gateway(api::call only, std::function<void(api::response)> answered)
      : call_(std::move(only)), answered_(std::move(answered)) {}

  void open(call_sink sink, std::function<void(result<std::string>)> done) override;
  void redirect(call_sink) override {} // the one call is on its way already
  void close(std::function<void()> done) override { done(); }

 private:
  std::optional<api::call> call_; ///< until open()
  std::function<void(api::response)> answered_;
};

} // namespace tayfa
