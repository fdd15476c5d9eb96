// The prompt that a model's own chat template makes of messages.
#pragma once

#include <span>
#include <string>

#include "strop/text.h"

namespace strop::text {

struct SpecialTexts {
  std::string bos, eos;  // as the template may insert them
};

// source: the Jinja template as the model carries it. A template that fails, or that refuses the
// messages, is unsupported with its reason.
Result<std::string> apply_chat_template(const std::string& source,
                                        std::span<const ChatMessage> messages,
                                        bool add_generation_prompt, const SpecialTexts& special);

}  // namespace strop::text
