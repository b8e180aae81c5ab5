// One check by name against a gateway: node conversation.mjs CHECK BASE_URL KEY
// Prints what the check found, as JSON.
import OpenAI from "openai";

const [check, baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 20_000 });
const messages = (content) => [{ role: "user", content }];
const weather = {
  type: "function",
  function: {
    name: "get_weather",
    parameters: { type: "object", properties: { city: { type: "string" } } },
  },
};

async function caught(call) {
  try {
    await call();
  } catch (error) {
    return { class: error.constructor.name, status: error.status ?? null, code: error.code ?? null };
  }
  return null;
}

const checks = {
  async models() {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    return { ids, one: (await client.models.retrieve("small")).id };
  },
  async chat() {
    const { data, response, request_id } = await client.chat.completions
      .create({ model: "small", messages: messages("Hello") })
      .withResponse();
    return {
      text: data.choices[0].message.content,
      cost: data.usage.cost,
      header: response.headers.get("x-fareway-model"),
      hasId: Boolean(request_id),
    };
  },
  async stream() {
    const stream = await client.chat.completions.create({
      model: "small",
      messages: messages("naïve 日本語 🎉"),
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    let usage = null;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content ?? "";
      usage = chunk.usage ?? usage;
    }
    return { text, hasCost: usage.cost > 0 };
  },
  async tools() {
    const runner = client.chat.completions.stream({
      model: "small",
      messages: messages("Use get_weather"),
      tools: [weather],
    });
    const final = await runner.finalChatCompletion();
    const call = final.choices[0].message.tool_calls[0];
    return { name: call.function.name, arguments: JSON.parse(call.function.arguments) };
  },
  async embeddings() {
    const answer = await client.embeddings.create({ model: "embedding", input: ["one", "two"] });
    return answer.data.map((row) => row.embedding.length);
  },
  async errors() {
    const chat = (model, content, options) => () =>
      client.chat.completions.create({ model, messages: messages(content) }, options);
    const wrong = new OpenAI({ baseURL, apiKey: "wrong", maxRetries: 0 });
    return {
      key: await caught(() => wrong.models.list()),
      model: await caught(chat("nobody", "Hello")),
      field: await caught(() => client.chat.completions.create({ model: "small", messages: [] })),
      upstream: await caught(chat("small", "[[fault:status-500]]")),
      timeout: await caught(chat("small", "[[fault:stall-before-head]]", { timeout: 300 })),
    };
  },
  async broken() {
    return await caught(async () => {
      const stream = await client.chat.completions.create({
        model: "small",
        messages: messages("[[fault:cut-after-3]]"),
        stream: true,
      });
      for await (const _ of stream);
    });
  },
  async abort() {
    const stream = await client.chat.completions.create({
      model: "small",
      messages: messages("[[fault:slow-chunks]][[tokens:500]] aborted-by-node"),
      stream: true,
    });
    let chunks = 0;
    for await (const _ of stream) if (++chunks === 2) stream.controller.abort();
    return { chunks };
  },
};

console.log(JSON.stringify(await checks[check]()));
