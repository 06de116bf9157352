"""What agents say, think and call their deeds: several wordings of each, with slots in braces."""

from __future__ import annotations

AGENT: dict[str, tuple[str, ...]] = {
    "greet": (
        "Hello, thanks for getting in touch. I'm happy to look into this.",
        "Hi, welcome to the help desk. Let me see what I can do.",
        "Good day! I'll take care of your request.",
        "Thank you for your message, I'll have a look.",
    ),
    "ask_contact": (
        "Could you give me the email address of your account?",
        "Which email did you order with?",
        "To find you in the system I need your email, please.",
        "What's the email on file?",
    ),
    "ask_identity": (
        "For security, please tell me the postcode of your account.",
        "May I have your postcode to check that it's you?",
        "Before I change anything I have to verify you: what is your zip code?",
        "Please confirm the postcode we have on record.",
    ),
    "ask_birthday": (
        "That postcode doesn't fit. What is your date of birth?",
        "The check didn't pass, may I have your birth date instead?",
        "Hmm, we have another postcode here. Could you tell me when you were born?",
    ),
    "ask_order": (
        "Which order is it about? The number would help.",
        "Do you have the order number at hand?",
        "Could you tell me the order number, please?",
        "Please give me the number of the order.",
    ),
    "mismatch": (
        "I don't see that product under the number you gave. Could you check it once more?",
        "This order seems to hold other goods. Is the number right?",
        "The order under that number doesn't fit your description, can you look again?",
    ),
    "confirm": (
        "So, for the {product}: {deed}. Shall I go ahead?",
        "To be sure: you want me to do the following, {deed}, {product}. Is that correct?",
        "I'm ready with this for the {product}: {deed}. Do you agree?",
        "May I proceed? It would be {deed}, concerning the {product}.",
    ),
    "report": (
        "Done: {deed}, for the {product} in {order}.",
        "That's settled, {product}, {deed} ({order}).",
        "Everything is arranged for {order}: {deed}, {product}.",
        "I've taken care of it. {order}, {product}: {deed}.",
        "Good news, it went through: {deed}, {order}, {product}.",
    ),
    "refuse": (
        "I'm sorry, our rules don't allow this for the {product}.",
        "Unfortunately that isn't possible for the {product} any more.",
        "I'm afraid I cannot do that with the {product}, the policy is clear.",
        "Regrettably the conditions aren't met for the {product}.",
    ),
    "delay": (
        "The system is slow right now, bear with me.",
        "I'm running into a technical hiccup, one moment please.",
        "This takes a little longer than usual, thanks for waiting.",
        "Give me a moment, the back office isn't answering.",
    ),
    "give_up": (
        "I couldn't get this done, please try again another day.",
        "The system won't let me finish it, I'm sorry about that.",
        "I'm afraid it doesn't work at present. You may write to us later.",
        "I can't complete this now.",
    ),
    "handover": (
        "I've passed your case on to a colleague who will write to you.",
        "Another team will look after it and be in touch.",
        "This is now with my colleagues.",
        "I handed the matter over, you'll hear from us.",
    ),
    "billing": (
        "Our billing team will look at that charge, {order}.",
        "I've forwarded the payment question on {order} to billing.",
        "The accountants will examine the amount on {order} and write to you.",
    ),
    "insist": (
        "It is all in order on our side, it may take a while to show.",
        "Please give it some hours, I'm sure it's fine.",
        "I can assure you that everything is as it should be.",
        "It will appear soon.",
    ),
    "sorry": (
        "You're right, I apologise. Let me fix that.",
        "Sorry for the mix-up, I'll correct it at once.",
        "My apologies, I misunderstood. I'm on it.",
        "Thanks for pointing it out, I'll set it right.",
    ),
    "regret": (
        "I apologise, that can't be undone from here.",
        "I'm sorry, I'm not able to reverse it.",
        "My regrets, it has been processed and stays so.",
    ),
    "checked": (
        "I looked once more and it is done as you asked.",
        "I've checked again: it's all there.",
        "Having another look, the change is in place.",
    ),
    "info.status": (
        "The order is marked as shown in our system, {status}.",
        "It stands at {status}.",
        "Its status reads {status}.",
    ),
    "info.policy": (
        "In short, our rules give you thirty days after delivery.",
        "Items that arrived can go back within a month.",
    ),
    "info.stock": ("We carry several versions of the {product}.", "There are a few kinds of {product} on the shelf."),
    "info.list": ("I see a few orders in your account.", "There are some further purchases under your name."),
    "info.none": (
        "I don't have that information at hand.",
        "I can't look that up at the moment, sorry.",
        "I'm not sure about that.",
    ),
    "anything_else": (
        "Is there anything else I can do?",
        "Can I help with something further?",
        "Anything more for today?",
        "What else may I do for you?",
    ),
    "close": (
        "Thank you and goodbye!",
        "Have a nice day.",
        "Take care!",
        "All the best, bye.",
        "Thanks for your patience. Goodbye.",
    ),
    "note": (
        "customer contacted the desk about an order",
        "handled a request by chat",
        "conversation on an existing order",
        "call summary for the file",
    ),
}

DEEDS: dict[str, tuple[str, ...]] = {
    "cancel": ("the order is cancelled", "cancellation of the order", "order called off"),
    "cancel_shipped": ("the order is cancelled", "cancellation of the order", "order called off"),
    "refund_item": ("a refund of the single item", "money back for that one item", "refund, one piece"),
    "refund_gold": ("a refund of the single item", "money back for that one item", "refund, one piece"),
    "refund_late": ("a refund of the single item", "money back for that one item", "refund, one piece"),
    "refund_all": ("a refund of the whole order", "money back for everything in it", "refund, complete order"),
    "address": ("new delivery address", "the parcel goes to the other address", "address updated"),
    "exchange": ("exchange for {variant}", "swapped against {variant}", "{variant} in return"),
    "billing": ("charge looked into", "question about the payment", "payment inquiry"),
}

THOUGHTS: dict[str, tuple[str, ...]] = {
    "find_user": ("I look up the account first.", "Who is writing? Find the user.", "The account must be found."),
    "verify_identity": (
        "Check the identity with what was given.",
        "Now verify the customer.",
        "Run the security check.",
    ),
    "list_orders": ("See which orders there are.", "The list of orders will tell.", "Look through their purchases."),
    "get_order": ("Open the order and read it.", "What does the order say?", "I need the details of the order."),
    "search_policy": ("What is the rule here?", "Read the policy on this.", "Let me be clear about the rules."),
    "check_stock": ("Look at the stock.", "Is it available?", "See what the warehouse has."),
    "add_note": ("Leave a note for colleagues.", "Write it down in the file.", "A short note will do."),
    "escalate": ("Somebody else should take it.", "Open a ticket.", "This goes to another queue."),
    "change": ("Make the change.", "Carry it out.", "Now do it.", "Send the request to the back office."),
    "say": ("Answer the customer.", "I write back.", "Tell them.", "Time to reply."),
}
