"""Shows: an agent of the OpenAI Agents SDK watched through OpenInference's instrumentation.

    pip install -c constraints.txt '.[examples]'
    python examples/openai_agents_sdk.py

Asks a small stand-in model of its own. Serve a monitor trained from such spans for scores that mean something:
docs/opentelemetry.md. Reads FOREWARN_URL (http://127.0.0.1:8080) and FOREWARN_API_KEY.
"""

from __future__ import annotations

from agents import Agent, OpenAIChatCompletionsModel, Runner, function_tool
from fake_model import fake_model
from openai import AsyncOpenAI
from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor
from traced_run import traced_run


@function_tool
def get_order(order_id: str) -> str:
    """Look an order up."""
    return f"error: no order {order_id}"


def answer(model_url: str, question: str) -> str:
    """The agent: a model and a tool in a loop."""
    client = AsyncOpenAI(base_url=model_url, api_key="none")
    model = OpenAIChatCompletionsModel(model="fake", openai_client=client)
    desk = Agent(name="desk", instructions="You work at the help desk.", tools=[get_order], model=model)
    return str(Runner.run_sync(desk, question).final_output)


def main() -> None:
    """Ask one question, traced."""
    # The instrumentor takes the place of the SDK's own tracing, which would go to OpenAI.
    with fake_model() as model_url, traced_run("openai-agents", OpenAIAgentsInstrumentor()):
        print("agent:", answer(model_url, "Where is my order W-17?"))


if __name__ == "__main__":
    main()
