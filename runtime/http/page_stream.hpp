// A streamed body that is made page by page by somebody else (an actor): as many pages as its
// reader takes, and none ahead of it, so a slow reader costs one page.
//
// Owner: the connection that streams it; `left` is called when that one lets it go, however it
// ends. The maker has a page_inlet. Both callbacks come from any thread and must only take note.
#pragma once

#include "runtime/api/call.hpp"
#include "runtime/base/byte_budget.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace tayfa {

/// Where the maker puts pages. Thread safe.
class page_inlet {
 public:
  /// `place`: what the page holds of the budget until it has left. After the last page nothing is
  /// taken any more.
  void put(std::string page, byte_budget::place place, bool last);

 private:
  friend class page_stream;
  std::mutex mutex_;
  std::function<void()> wake_;
  std::string page_;
  std::size_t left_ = 0; ///< of `page_`: so many bytes have been taken
  byte_budget::place place_;
  bool last_ = false;
  bool asked_ = false; ///< for the next page
};

class page_stream final : public api::body_source {
 public:
  struct callbacks {
    std::function<void()> wants; ///< there is no page, and the reader has taken all of the last one
    std::function<void()> left;
  };

  /// `broken`: what is sent last when the server ends the body early.
  page_stream(std::shared_ptr<page_inlet> pages, callbacks, std::string broken);
  ~page_stream() override;

  void on_more(std::function<void()> wake) override;
  piece next(std::size_t room) override;
  std::string_view heartbeat() const override { return ":\n\n"; }
  std::string cut_short() override;

 private:
  std::shared_ptr<page_inlet> pages_;
  callbacks say_;
  std::string broken_;
};

} // namespace tayfa
