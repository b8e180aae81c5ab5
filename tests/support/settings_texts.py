"""Configurations the settings tests start from."""

CONTRACT_EXAMPLE = """\
server:
  admin_key: ${FAREWAY_ADMIN_KEY:-}        # empty: admin API and console are off
  secret: ${FAREWAY_SECRET:-}              # HMAC of keys, sealing of stored texts; required with Redis or PostgreSQL; generated into state_dir otherwise
  metrics_key: ${FAREWAY_METRICS_KEY:-}    # empty: /metrics answers loopback and the admin key only
  state_dir: .fareway                      # journal, spool; one process at a time
  max_body_bytes: 20971520
  request_timeout_s: 600
  drain_s: 30
  cors_origins: []
stores:
  redis_url: ${REDIS_URL:-}                # empty: in-process, one worker. redis:// or redis+cluster://
  cache_redis_url: ""                      # default: redis_url
  redis_timeout_ms: 250
  database_url: ${DATABASE_URL:-sqlite:///fareway.db}     # or postgresql://
  durability: write                        # write (survives a killed process) | fsync (survives power loss)
  unbudgeted_when_down: refuse             # accounts store down: refuse | allow for tenants without budgets
providers:
  openai: {base_url: https://api.openai.com/v1, api_key: ${OPENAI_API_KEY:-}, auth: bearer, headers: {}, query: {}, on_cancel: abort, priced_fields: [service_tier, web_search_options, prediction]}
models:
  - name: small                            # what clients see
    provider: openai
    upstream_model: gpt-4o-mini
    price: {input: "0.15", cached_input: "0.075", output: "0.60"}   # USD per 1M tokens, decimal strings. Also cache_write, audio_input, audio_output, per_request, above: [{input_tokens: 200000, input, output}], service_tiers: {priority: {...}}. Omitted: looked up, frozen, shown by config explain
    context_window: 128000
    max_output_tokens: 16384
    min_output_tokens: 256                 # a cap is never shrunk below this (4096 for models that reason), a smaller one of the client's never shrunk: refused instead
    output_cap_param: max_completion_tokens   # name used when the gateway must inject a cap; looked up by default
    image_tokens: 50000                    # bound per image part
    endpoints: [chat]                      # chat, completions, embeddings, responses, ...
    supports: [tools, vision, json_schema] # omitted: looked up, else everything
    weight: 1                              # several entries of one name are balanced
routes:
  auto:                                    # the model name clients ask for
    router: default                        # a folder of router_models/
    policy: thresholds                     # thresholds | quality (cheapest whose expected loss is within tolerance)
    tolerance: 0.02
    tiers:                                 # cheapest first; models of a tier are an order of preference
      simple:   {models: [small]}
      moderate: {models: [medium], threshold: 0.35}     # score at or above which this tier starts
      complex:  {models: [large],  threshold: 0.60}
      research: {models: [large],  threshold: 0.50}     # on p_research, looked at first; may later name a pipeline
    escalate: {when: [error, timeout, refusal, empty, truncated, invalid_json, invalid_tool_call], max_attempts: 4}   # the last attempt is kept for the next tier or deployment
    baseline: large                        # what savings are measured against; default: highest input+output price of the route
  chat: {models: [medium, large]}          # no router: plain fallback order
organisations: [{id: org1, budgets: []}]
tenants:                                   # an id in YAML belongs to YAML (admin writes: 409 managed_by_config; keys may be added)
  - id: acme
    organisation: org1                     # optional; a tenant without one is its own
    keys: [${ACME_KEY}]                    # a literal, or {id, key, budgets, limits, tags}
    allow: [auto, small, large]            # what a client may ask for; omitted: all. A route may use its own models
    budgets: [{usd: "25.00", window: month, timezone: UTC, on_full: shrink, warn_at: 0.8}, {usd: "2.00", window: day}]   # minute hour day week month year total; shrink | refuse
    limits: {rpm: 600, tpm: 200000, concurrency: 50}
cache:                                     # per tenant and per route override
  exact:    {enabled: true, sampled: false, ttl_s: 3600, max_bytes: 268435456}   # sampled: also serve requests with temperature > 0 and no seed
  semantic: {enabled: false, threshold: 0.90, max_temperature: 0.0, ttl_s: 3600, verify_share: 0.0, error_budget: 0.01}
idempotency: {ttl_s: 86400, max_body_bytes: 1048576}
resilience: {connect_timeout_s: 5, first_token_timeout_s: 60, idle_timeout_s: 120, attempt_timeout_s: 300, retries: 1, circuit: {enabled: true, failures: 5, open_s: 10}}
# first_token and idle bound streams, attempt_timeout_s one whole attempt (plain calls), server.request_timeout_s the request
metrics: {max_tenants: 1000}               # further tenants are labelled "other"
logging: {level: info, prompts: false}
"""
"""The documented example, word for word. It names two models it does not define."""

ITS_OTHER_MODELS = """\
models:
  - {name: medium, provider: openai}
  - {name: large, provider: openai}
"""

COMPLETE_EXAMPLE = CONTRACT_EXAMPLE.replace("models:\n", ITS_OTHER_MODELS, 1)

SMALLEST = """\
providers: {openai: {base_url: http://localhost:9/v1, api_key: upstream-key}}
models:
  - {name: small, provider: openai}
  - {name: large, provider: openai}
tenants:
  - {id: acme, keys: [acme-key-of-16-chars]}
"""
