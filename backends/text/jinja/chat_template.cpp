// With llama.cpp's Jinja engine. Its list of built-in templates will not do: it takes every
// template with
// <|im_start|> for plain ChatML, and so drops the default system message of SmolLM2 and Qwen.
#include "chat_template.h"

#include <jinja/lexer.h>
#include <jinja/parser.h>
#include <jinja/runtime.h>
#include <jinja/value.h>

#include <exception>

namespace strop::text {
namespace {

jinja::value text_value(const std::string& text) {
  return jinja::mk_val<jinja::value_string>(text);
}

jinja::value message_value(const ChatMessage& message) {
  auto value = jinja::mk_val<jinja::value_object>();
  value->insert("role", text_value(message.role));
  value->insert("content", text_value(message.content));
  return value;
}

jinja::value messages_value(std::span<const ChatMessage> messages) {
  auto values = jinja::mk_val<jinja::value_array>();
  for (const auto& message : messages) values->push_back(message_value(message));
  return values;
}

std::string render(const std::string& source, std::span<const ChatMessage> messages,
                   bool add_generation_prompt, const SpecialTexts& special) {
  jinja::lexer lexer;
  auto tokens = lexer.tokenize(source);
  const auto program = jinja::parse_from_tokens(tokens);
  jinja::context context(source);
  context.set_val("messages", messages_value(messages));
  context.set_val("add_generation_prompt", jinja::mk_val<jinja::value_bool>(add_generation_prompt));
  context.set_val("bos_token", text_value(special.bos));
  context.set_val("eos_token", text_value(special.eos));
  const auto results = jinja::runtime(context).execute(program);
  return jinja::runtime::gather_string_parts(results)->as_string().str();
}

}  // namespace

Result<std::string> apply_chat_template(const std::string& source,
                                        std::span<const ChatMessage> messages,
                                        bool add_generation_prompt, const SpecialTexts& special) {
  try {
    return render(source, messages, add_generation_prompt, special);
  } catch (const std::exception& error) {
    return Error{
        ErrorCode::unsupported,
        str("[text] the model's chat template does not take these messages: ", error.what(), "."),
        {},
        "messages"};
  }
}

}  // namespace strop::text
