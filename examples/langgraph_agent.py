"""Shows: a LangGraph agent watched through OpenInference's instrumentation. Not one line about forewarn in the agent.

    pip install -c constraints.txt '.[examples]'
    python examples/langgraph_agent.py

Asks a small stand-in model of its own. Serve a monitor trained from such spans for scores that mean something:
docs/opentelemetry.md. Reads FOREWARN_URL (http://127.0.0.1:8080) and FOREWARN_API_KEY.
"""

from __future__ import annotations

from fake_model import fake_model
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from openinference.instrumentation.langchain import LangChainInstrumentor
from traced_run import traced_run


@tool
def get_order(order_id: str) -> str:
    """Look an order up."""
    return f"error: no order {order_id}"


def answer(model_url: str, question: str) -> str:
    """The agent: a model and a tool in a loop."""
    model = ChatOpenAI(model="fake", base_url=model_url, api_key="none").bind_tools([get_order])  # type: ignore[arg-type]
    graph = StateGraph(MessagesState)
    graph.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_node("tools", ToolNode([get_order]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    state = graph.compile().invoke({"messages": [{"role": "user", "content": question}]})
    return str(state["messages"][-1].content)


def main() -> None:
    """Ask one question, traced."""
    with fake_model() as model_url, traced_run("langgraph", LangChainInstrumentor()):
        print("agent:", answer(model_url, "Where is my order W-17?"))


if __name__ == "__main__":
    main()
