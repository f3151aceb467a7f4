// A streamed body whose pages are made by another party (an actor), one at a time: the next page is
// requested only when the reader has taken the last one, so a slow reader costs one page.
//
// Owner: the connection that streams it; `left` is called when that connection releases it, however
// it ends. The maker has a page_inlet. Both callbacks come from any thread and must only take note.
#pragma once

#include "runtime/api/call.hpp"
#include "runtime/base/byte_budget.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace tayfa {

/// The maker's end: takes its pages. Thread safe.
class page_inlet {
 public:
  /// `place`: the page's reservation in the budget until it is sent. Pages after the last one are
  /// ignored.
  void put(std::string page, byte_budget::place place, bool last);

 private:
  friend class page_stream;
  std::mutex mutex_;
  std::function<void()> wake_;
  std::string page_;
  std::size_t left_ = 0; ///< bytes of `page_` already taken
  byte_budget::place place_;
  bool last_ = false;
  bool asked_ = false; ///< the next page was requested
};

class page_stream final : public api::body_source {
 public:
  struct callbacks {
    std::function<void()> wants; ///< no page is here, and the reader has taken all of the last one
    std::function<void()> left;
  };

  /// `broken`: text sent last when the server cuts the body short.
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
